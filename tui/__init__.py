"""The console and the `kwinnow` command line: what a person sees and types."""
