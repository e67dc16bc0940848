"""The practice cluster: an API server and Windows nodes that speak the real protocols."""
