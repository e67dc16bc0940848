"""Questions and their typed answers: asked of a node, asked of the API, or derived from others."""
