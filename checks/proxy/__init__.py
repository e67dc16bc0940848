"""kube-proxy on Windows (winkernel)."""
