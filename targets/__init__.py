"""Wires: the Kubernetes API, Windows nodes over WinRM, and recordings of both."""
