# What the node knows of runs: its journal (the end of it), and who holds its lock. Changes nothing.
$folder = "$env:ProgramData\kwinnow"
@{ journal = [string](Read-Text "$folder\journal.jsonl" 1000000); lock = [string](Read-Text "$folder\lock.json"); now = (Format-Utc (Get-Date)) }
