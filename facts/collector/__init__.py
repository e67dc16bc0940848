"""One PowerShell process that answers every question asked of a node. The protocol: docs/collector.md."""
