"""Pods and their templates: what is different on Windows."""
