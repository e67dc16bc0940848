# Stands before every act: the node's own lock and journal, so that a second person at another desk sees who is at
# work and can go on. Everything is written in the process that acts, and before it acts.
# `$p.journal` says who acts for which run; an act calls Save-Before with what its undo needs before it changes anything.
function Get-Seconds { [long]((Get-Date).ToUniversalTime() - [DateTime]'1970-01-01').TotalSeconds }
function Read-Open($file) {
    [void]$file.Seek(0, 'Begin')
    (New-Object IO.StreamReader $file, ([Text.Encoding]::UTF8)).ReadToEnd()
}
function Write-Open($file, [string]$text) {
    [void]$file.Seek(0, 'End')
    $bytes = [Text.Encoding]::UTF8.GetBytes($text)
    $file.Write($bytes, 0, $bytes.Length)
    # To the disk: a reboot must not lose it.
    $file.Flush($true)
}
# Held open by the process that acts, so that it ends with it. An earlier run's process that still works is waited for.
# $null where it does not end.
function Open-Turn([string]$path) {
    $ends = (Get-Seconds) + $p.journal.wait
    while ($true) {
        try { return [IO.File]::Open($path, 'Open', 'ReadWrite', 'None') }
        catch [IO.IOException] { if ((Get-Seconds) -ge $ends) { return $null } }
        Start-Sleep -Milliseconds 200
    }
}
# What lock.json says; $null where nobody has it.
function Read-Lock($file) { try { ConvertFrom-Json (Read-Open $file) } catch { $null } }
function Get-Refusal($held) { @{ refused = 'locked'; who = [string]$held.who; since = [long]$held.since; step = [string]$held.step } }
function Add-Mark([string]$mark, $before, [string]$why) {
    $own = @{}
    foreach ($one in $p.PSObject.Properties) { if ('journal', 'before' -notcontains $one.Name) { $own[$one.Name] = $one.Value } }
    $j = $p.journal
    $entry = @{ run = $j.run; at = (Format-Utc (Get-Date)); mark = $mark; step = $j.step; context = $j.context; server = $j.server; node = $j.node; who = $j.who; parameters = $own; before = $before; why = $why }
    # The empty line first: a line that a power cut tore stays alone.
    Write-Open $kwJournal ("`n" + (Hide-Secrets (ConvertTo-Json -InputObject $entry -Depth 8 -Compress)) + "`n")
}
# The last line about this step that says what there was before, whoever wrote it; $null where there is none.
function Get-LastMark {
    $last = $null
    foreach ($line in (Read-Open $kwJournal) -split "`n") {
        if (-not $line.Contains($p.journal.step)) { continue }
        try { $entry = ConvertFrom-Json $line } catch { continue }
        if ($entry.step -eq $p.journal.step -and $entry.before) { $last = $entry }
    }
    $last
}
# Writes down what the undo needs, and gives back what it will be told: for a run that was broken off this is the
# state before its first act, not the state in which it was left.
function Save-Before($now) {
    $kept = $now
    $last = Get-LastMark
    $goesOn = $last -and ('acting', 'failed', 'undoing' -contains $last.mark -or ($last.mark -eq 'acted' -and $last.run -eq $p.journal.run))
    if ($goesOn -and $last.before) { $kept = $last.before }
    $kwNoted.goesOn = $goesOn
    Add-Mark 'acting' $kept ''
    $kwNoted.before = $kept
    $kept
}
function Invoke-Noted([scriptblock]$act) {
    $j = $p.journal
    New-Own
    $refusal = Get-Distrust
    if ($refusal) { return $refusal }
    New-OwnFiles
    $kwTurn = Open-Turn "$kwFolder\acting"
    $kwLock = [IO.File]::Open("$kwFolder\lock.json", 'Open', $(if ($kwTurn) { 'ReadWrite' } else { 'Read' }), 'ReadWrite')
    $kwNoted = @{ before = $null; goesOn = $false }
    $kwMine = $false
    try {
        $held = Read-Lock $kwLock
        if (-not $kwTurn) { return Get-Refusal $held }
        if ($held -and $held.who -ne $j.who -and [long]$held.until -gt (Get-Seconds)) { return Get-Refusal $held }
        $kwJournal = [IO.File]::Open("$kwFolder\journal.jsonl", 'Open', 'ReadWrite', 'Read')
        # Again, now that they are held open and cannot be put elsewhere.
        $refusal = Get-Distrust
        if ($refusal) { return $refusal }
        $kwMine = $true
        $begun = Get-Seconds
        $kwLock.SetLength(0)
        Write-Open $kwLock (ConvertTo-Json -InputObject @{ who = $j.who; run = $j.run; step = $j.step; since = $begun; until = ($begun + $j.seconds) } -Compress)
        try {
            if ($j.act -eq 'undo') {
                $last = Get-LastMark
                if ($last -and $last.run -eq $j.run -and $last.mark -eq 'undone') { return @{ refused = 'undone'; who = [string]$last.who } }
                Add-Mark 'undoing' $p.before ''
                $kwNoted.before = $p.before
            }
            $said = @(& $act)
            $result = $said[$said.Count - 1]
        } catch {
            $thrown = $_
            try { Add-Mark 'failed' $kwNoted.before ([string]$thrown.Exception.Message) } catch { [void]$_ }
            throw $thrown
        }
        # Somebody else had done it in the meantime: a run that changed nothing must not stand before theirs in an undo.
        $result.nothing = $j.act -ne 'undo' -and -not $result.changed -and -not $kwNoted.goesOn
        # It is done: what cannot be written now is told, and does not make it undone.
        try { Add-Mark $(if ($j.act -eq 'undo') { 'undone' } elseif ($result.nothing) { 'dropped' } else { 'acted' }) $kwNoted.before '' } catch { $result.unwritten = [string]$_.Exception.Message }
        $result
    } finally {
        if ($kwMine) { try { $kwLock.SetLength(0) } catch { [void]$_ } }
        foreach ($file in $kwJournal, $kwLock, $kwTurn) { if ($file) { $file.Dispose() } }
    }
}
