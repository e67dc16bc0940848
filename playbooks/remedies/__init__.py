"""The steps that mend single findings, each with its PowerShell beside it."""
