"""Facts asked of the Kubernetes API."""
