"""Images: the pause image, and whether what pods ask for runs on a node's build."""
