"""Facts asked of a Windows node: one module and one script a subject."""
