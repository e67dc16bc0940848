# What the node knows of runs: the end of its journal. Changes nothing.
@{ journal = [string](Read-Text "$env:ProgramData\kwinnow\journal.jsonl" 1000000) }
