"""The Node object: what the cluster says of a Windows node, and whether it says it right."""
