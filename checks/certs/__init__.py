"""Credentials of the node: kubeconfig, certificates, requests for them."""
