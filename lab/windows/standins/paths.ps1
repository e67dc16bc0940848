# Which world a path belongs to, and where drive C really lies.

# registry, pipe, file (a path of drive C), or other: that the real cmdlet deals with.
function Get-LabPathKind([string]$path) {
    if ($path -match '^((Microsoft\.PowerShell\.Core\\)?Registry::|HKLM:|HKCU:|HKEY_)') { 'registry' }
    elseif ($path -match '^\\\\\.\\pipe(\\|$)') { 'pipe' }
    elseif ($path -match '^((Microsoft\.PowerShell\.Core\\)?FileSystem::)?[A-Za-z]:') { 'file' }
    else { 'other' }
}

# The real path of a Windows path; names are found whatever their case. Wildcards are left as they are.
function Resolve-LabPath([string]$path) {
    $path = $path -replace '^(Microsoft\.PowerShell\.Core\\)?FileSystem::', ''
    Add-LabTrace "path $($path.Replace('/', '\'))"
    $real = "$env:KWINNOW_LAB_NODE/tree/$($path.Substring(0, 1).ToUpperInvariant())"
    foreach ($part in $path.Substring(2).Split([char[]]'\/', [StringSplitOptions]::RemoveEmptyEntries)) {
        if ($part -eq '.') { continue }
        $next = "$real/$part"
        if (-not [IO.Path]::Exists($next) -and [IO.Directory]::Exists($real) -and $part -notmatch '[*?\[]') {
            foreach ($entry in [IO.Directory]::GetFileSystemEntries($real)) {
                if ([string]::Equals([IO.Path]::GetFileName($entry), $part, 'OrdinalIgnoreCase')) { $next = $entry; break }
            }
        }
        $real = $next
    }
    $real
}

# The Windows path of a real one.
function ConvertTo-LabWindowsPath([string]$real) {
    $root = "$env:KWINNOW_LAB_NODE/tree/"
    if (-not $real.StartsWith($root)) { return $real }
    $rest = $real.Substring($root.Length)
    $drive = $rest.Substring(0, 1)
    $rest = $rest.Substring(1).Replace('/', '\')
    if ($rest -eq '') { $rest = '\' }
    "${drive}:$rest"
}

# Makes a file reachable by its Windows path for .NET's own classes too.
function Add-LabLink([string]$real) {
    $link = [IO.Path]::Combine("$env:KWINNOW_LAB_NODE/cwd", (ConvertTo-LabWindowsPath $real))
    if (-not [IO.Path]::Exists($link)) {
        [IO.File]::Delete($link)
        [void][IO.File]::CreateSymbolicLink($link, $real)
    }
}

# A file as Get-Item gives it on Windows: full name, version and provider path are those of the node.
function Add-LabFileNotes($item, [Collections.IDictionary]$notes) {
    $path = ConvertTo-LabWindowsPath $item.FullName
    $parent = $path.Substring(0, [Math]::Max(3, $path.LastIndexOf('\')))
    $values = [ordered]@{
        FullName = $path; PSPath = "Microsoft.PowerShell.Core\FileSystem::$path"; PSParentPath = "Microsoft.PowerShell.Core\FileSystem::$parent"
        PSChildName = $item.Name; PSIsContainer = $item -is [IO.DirectoryInfo]
    }
    if ($item -is [IO.FileInfo]) {
        $values.DirectoryName = $parent
        $note = $null
        if ($notes.Contains($path)) { $note = $notes[$path] }
        $version = if ($note) { [string]$note.version } else { '' }
        $values.VersionInfo = [pscustomobject][ordered]@{ FileName = $path; FileVersion = $(if ($version) { $version } else { $null }); ProductVersion = $(if ($version) { $version } else { $null }); FileVersionRaw = $(if ($version -match '^\d+(\.\d+){1,3}$') { [version]$version } else { [version]'0.0.0.0' }) }
    }
    foreach ($name in $values.Keys) { $item.PSObject.Properties.Add([psnoteproperty]::new($name, $values[$name]), $true) }
    $item
}

function New-LabNotFound([string]$path, [string]$command) {
    $sentence = Get-LabSentence @{
        'en-US' = "Cannot find path '$path' because it does not exist."
        'de-DE' = "Der Pfad `"$path`" kann nicht gefunden werden, da er nicht vorhanden ist."
        'zh-CN' = "找不到路径`“$path`”，因为该路径不存在。"
    }
    $exception = [Management.Automation.ItemNotFoundException]::new($sentence)
    [Management.Automation.ErrorRecord]::new($exception, "PathNotFound,Microsoft.PowerShell.Commands.${command}Command", 'ObjectNotFound', $path)
}
