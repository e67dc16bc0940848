# What the node knows of runs: the end of its journal. Changes nothing.
$journal = ''
$refusal = $null
if (Test-Path -LiteralPath $kwFolder) {
    $refusal = Get-Distrust
    if (-not $refusal) {
        $journal = [string](Read-Text "$kwFolder\journal.jsonl" 1000000)
        # Again: what was looked at and what was read must be the same.
        $refusal = Get-Distrust
    }
}
if ($refusal) { $refusal } else { @{ journal = $journal } }
