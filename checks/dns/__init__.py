"""Names: what a pod on Windows can resolve, and why not."""
