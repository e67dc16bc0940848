# The folder of the node's own lock and journal. C:\ProgramData lets every user make files, so nothing there is
# believed unless Administrators or SYSTEM own it and nobody else may write it. By SID: groups have translated names.
$kwFolder = "$env:ProgramData\kwinnow"
$kwFiles = 'acting', 'lock.json', 'journal.jsonl'
# Makes what is missing, each with its rights from its first moment: nobody can come in between.
function New-Own {
    $security = New-Object Security.AccessControl.DirectorySecurity
    $security.SetSecurityDescriptorSddlForm('O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)')
    (New-Object IO.DirectoryInfo $kwFolder).Create($security)
}
function New-OwnFiles {
    $security = New-Object Security.AccessControl.FileSecurity
    $security.SetSecurityDescriptorSddlForm('O:BAG:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)')
    foreach ($name in $kwFiles) {
        $path = "$kwFolder\$name"
        if (Test-Path -LiteralPath $path) { continue }
        try { (New-Object IO.FileStream $path, 'CreateNew', 'Write', 'ReadWrite', 4096, 'None', $security).Dispose() }
        # Another process may have made it at this moment.
        catch { if (-not (Test-Path -LiteralPath $path)) { throw } }
    }
}
# Whether a list of rights, in SDDL, lets nobody write but Administrators and SYSTEM. What is not understood does.
function Test-OwnRights([string]$sddl) {
    if ($sddl -cnotmatch 'D:[A-Z]*((\([^()]*\))+)(S:|$)') { return $false }
    foreach ($entry in $Matches[1].Trim('(', ')') -split '\)\(') {
        $type, $flags, $rights, $kind, $inherited, $who = $entry -split ';'
        if ($type -ceq 'D') { continue }
        if ($type -cne 'A') { return $false }
        if ('BA', 'SY' -ccontains $who -or $rights -cmatch '^((FR|FX|GR|GX|RC)+|0x1200a9|0x120089)$') { continue }
        return $false
    }
    $true
}
# The first thing that is not ours, and why; nothing where all is ours.
function Get-Distrust {
    foreach ($path in @($kwFolder) + @($kwFiles | ForEach-Object { "$kwFolder\$_" })) {
        if (-not (Test-Path -LiteralPath $path)) { continue }
        $why = ''
        $sddl = ''
        if ([string](Get-Item -LiteralPath $path -Force).Attributes -match 'ReparsePoint') { $why = 'reparse' }
        else {
            $sddl = [string](Get-Acl -LiteralPath $path).Sddl
            if ($sddl -cnotmatch '^O:(BA|SY)[GD]:') { $why = 'owner' } elseif (-not (Test-OwnRights $sddl)) { $why = 'writers' }
        }
        if ($why) { return @{ refused = 'untrusted'; path = $path; why = $why; sddl = $sddl } }
    }
}
