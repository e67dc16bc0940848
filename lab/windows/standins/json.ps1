# ConvertTo-Json and ConvertFrom-Json as Windows PowerShell 5.1 has them.
# Dates as "\/Date(ms)\/", default depth 2, no -AsArray, no -EnumsAsStrings, < > & ' escaped, deeper objects as text:
# https://learn.microsoft.com/powershell/module/microsoft.powershell.utility/convertto-json?view=powershell-5.1
# Layout (a nested block is indented from its opening bracket): https://github.com/projectcalico/calico/issues/4682

function ConvertTo-LabJsonText([string]$text) {
    $plain = [Text.Json.JsonEncodedText]::Encode($text, [Text.Encodings.Web.JavaScriptEncoder]::UnsafeRelaxedJsonEscaping).ToString()
    '"' + $plain.Replace('<', '\u003c').Replace('>', '\u003e').Replace('&', '\u0026').Replace("'", '\u0027') + '"'
}

function ConvertTo-LabJsonValue($value, [int]$depth, [bool]$compress, [int]$indent) {
    if ($null -eq $value -or $value -is [DBNull]) { return 'null' }
    # A property keeps the wrapper, and so the notes, of what was put into it.
    $base = $value.PSObject.BaseObject
    $invariant = [cultureinfo]::InvariantCulture
    $notes = @(if ($value -is [psobject] -and $base -isnot [Management.Automation.PSCustomObject] -and $base -isnot [Collections.IDictionary]) {
        foreach ($p in $value.PSObject.Properties) { if ($p.MemberType -eq 'NoteProperty') { $p } }
    })
    $text = $null
    if ($base -is [string]) { $text = ConvertTo-LabJsonText $base }
    elseif ($base -is [char]) { $text = ConvertTo-LabJsonText ([string]$base) }
    elseif ($base -is [bool]) { $text = if ($base) { 'true' } else { 'false' } }
    elseif ($base -is [Enum]) { $text = [Convert]::ToInt64($base).ToString($invariant) }
    elseif ($base -is [DateTime]) { $text = '"\/Date(' + [long][Math]::Floor(($base.ToUniversalTime() - [DateTime]::UnixEpoch).TotalMilliseconds) + ')\/"' }
    elseif ($base -is [double] -or $base -is [float]) { $text = $base.ToString('R', $invariant); if ($text -notmatch '[.EN]') { $text += '.0' } }
    elseif ($base -is [ValueType] -and ($base.GetType().IsPrimitive -or $base -is [decimal])) { $text = [Convert]::ToString($base, $invariant) }
    elseif ($base -is [guid] -or $base -is [uri] -or $base -is [version] -and $depth -lt 0) { $text = ConvertTo-LabJsonText ([string]$base) }
    if ($null -ne $text -and $notes.Count -eq 0) { return $text }
    if ($null -ne $text) {
        # A string that carries notes, as Get-Content makes them, becomes an object with them.
        $table = [ordered]@{ value = $base }
        foreach ($p in $notes) { $table[$p.Name] = $p.Value }
        $value = $table; $base = $table
    }
    if ($depth -lt 0) { return ConvertTo-LabJsonText ([string]$value) }
    $break = if ($compress) { '' } else { "`r`n" + (' ' * ($indent + 4)) }
    $close = if ($compress) { '' } else { "`r`n" + (' ' * $indent) }
    $colon = if ($compress) { ':' } else { ':  ' }
    $parts = [Collections.Generic.List[string]]::new()
    $members = [Collections.Generic.List[object[]]]::new()
    if ($base -is [Collections.IDictionary]) {
        foreach ($entry in $base.GetEnumerator()) { $members.Add(@([string]$entry.Key, $entry.Value)) }
        foreach ($p in $value.PSObject.Properties) { if ($p.MemberType -eq 'NoteProperty') { $members.Add(@($p.Name, $p.Value)) } }
    } elseif ($base -is [Collections.IEnumerable]) {
        foreach ($item in $base) { $parts.Add((ConvertTo-LabJsonValue $item ($depth - 1) $compress ($indent + 4))) }
        if ($parts.Count -eq 0) { return $(if ($compress) { '[]' } else { "[`r`n`r`n" + (' ' * $indent) + ']' }) }
        return '[' + $break + [string]::Join(',' + $break, $parts) + $close + ']'
    } else {
        foreach ($p in $value.PSObject.Properties) {
            if ($p.MemberType -notin 'Property', 'NoteProperty', 'ScriptProperty', 'AliasProperty') { continue }
            $inner = $null
            try { $inner = $p.Value } catch { $inner = $null }
            $members.Add(@($p.Name, $inner))
        }
    }
    foreach ($member in $members) {
        $name = (ConvertTo-LabJsonText $member[0]) + $colon
        $parts.Add($name + (ConvertTo-LabJsonValue $member[1] ($depth - 1) $compress ($indent + 4 + $name.Length)))
    }
    if ($parts.Count -eq 0) { return $(if ($compress) { '{}' } else { "{`r`n`r`n" + (' ' * $indent) + '}' }) }
    '{' + $break + [string]::Join(',' + $break, $parts) + $close + '}'
}

function ConvertTo-Json {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline)][AllowNull()][psobject]$InputObject,
        [ValidateRange(1, 100)][int]$Depth = 2,
        [switch]$Compress
    )
    begin { $all = [Collections.Generic.List[psobject]]::new() }
    process { $all.Add($InputObject) }
    end {
        if ($all.Count -eq 0) { return }
        $value = $all[0]
        if ($all.Count -gt 1) { $value = $all.ToArray() }
        ConvertTo-LabJsonValue $value $Depth $Compress.IsPresent 0
    }
}

function ConvertFrom-Json {
    [CmdletBinding()]
    param([Parameter(Mandatory, Position = 0, ValueFromPipeline)][AllowEmptyString()][string]$InputObject)
    begin { $all = [Collections.Generic.List[string]]::new() }
    process { $all.Add($InputObject) }
    end {
        # 5.1 leaves dates in text as text and does not take a list apart.
        $value = Microsoft.PowerShell.Utility\ConvertFrom-Json -InputObject ([string]::Join("`n", $all)) -NoEnumerate -DateKind String
        , $value
    }
}
