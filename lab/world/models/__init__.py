"""Small models of what the daemons of a cluster make of its causes."""
