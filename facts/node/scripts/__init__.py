"""The PowerShell of the node facts, as package data."""
