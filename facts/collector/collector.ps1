# Runs every question in a runspace of its own, at most four at a time, each with its own deadline, and writes each
# answer as soon as it is there. Dot-sourced by the bootstrap; $kwPayload holds the questions.
# Helpers for the scripts. They are copied into every runspace, like all functions of this session.
function Format-Utc($date) {
    if ($null -eq $date) { return $null }
    ([DateTime]$date).ToUniversalTime().ToString('o')
}
# Reads a file that its writer holds open. $null where it does not exist.
function Read-Bytes([string]$path, [int]$last = 0) {
    if (-not (Test-Path -LiteralPath $path -PathType Leaf)) { return $null }
    $file = [IO.File]::Open((Get-Item -LiteralPath $path -Force).FullName, 'Open', 'Read', 'ReadWrite, Delete')
    try {
        if ($last -gt 0 -and $file.Length -gt $last) { [void]$file.Seek(-$last, 'End') }
        $memory = New-Object IO.MemoryStream
        $file.CopyTo($memory)
        , $memory.ToArray()
    } finally { $file.Dispose() }
}
# A file as text, byte order mark honoured, UTF-8 assumed. $null where it does not exist.
function Read-Text([string]$path, [int]$last = 0) {
    $bytes = Read-Bytes $path $last
    if ($null -eq $bytes) { return $null }
    (New-Object IO.StreamReader (New-Object IO.MemoryStream (, $bytes)), ([Text.Encoding]::UTF8), $true).ReadToEnd()
}
# A registry key as a table of its values; $null where the key does not exist.
function Read-Registry([string]$path) {
    if (-not (Test-Path -LiteralPath $path)) { return $null }
    $table = @{}
    $key = Get-ItemProperty -LiteralPath $path
    foreach ($p in $key.PSObject.Properties) { if ($p.Name -notlike 'PS*') { $table[$p.Name] = $p.Value } }
    $table
}
# Runs a program and gives its standard output as text. Errors of the program are not errors of the question.
function Read-Native([string]$program, [string[]]$arguments) {
    $ErrorActionPreference = 'Continue'
    $output = & $program @arguments 2>$null
    [string]::Join("`n", @($output | ForEach-Object { [string]$_ }))
}
function Find-Program([string]$name, [string[]]$candidates) {
    foreach ($path in $candidates) { if ($path -and (Test-Path -LiteralPath $path -PathType Leaf)) { return $path } }
    $found = Get-Command -Name $name -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($found) { return [string]$found.Source }
    $null
}
$kwWriter = [Console]::Out
$kwLock = New-Object Object
$kwCount = 0
function Write-Answer([string]$id, $answer) {
    $json = ConvertTo-Json -InputObject $answer -Depth 12 -Compress
    $memory = New-Object IO.MemoryStream
    $zip = New-Object IO.Compression.GZipStream $memory, ([IO.Compression.CompressionMode]::Compress)
    $bytes = [Text.Encoding]::UTF8.GetBytes($json)
    $zip.Write($bytes, 0, $bytes.Length)
    $zip.Dispose()
    $packed = $memory.ToArray()
    $hash = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($packed)).Replace('-', '').ToLowerInvariant()
    $text = [Convert]::ToBase64String($packed)
    for ($at = 0; $at -lt $text.Length; $at += 4000) {
        $kwWriter.Write("~kw data $id " + $text.Substring($at, [Math]::Min(4000, $text.Length - $at)) + "`n")
    }
    $kwWriter.Write("~kw end $id $($packed.Length) $hash`n")
    $kwWriter.Flush()
}
$kwState = [Management.Automation.Runspaces.InitialSessionState]::CreateDefault()
foreach ($f in @(Get-ChildItem -Path Function:)) {
    $kwState.Commands.Add((New-Object Management.Automation.Runspaces.SessionStateFunctionEntry $f.Name, $f.Definition))
}
$kwFrame = @'
param($kwScript, $p)
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
Set-StrictMode -Off
. ([ScriptBlock]::Create($kwScript))
'@
function Start-Question($question) {
    $space = [Management.Automation.Runspaces.RunspaceFactory]::CreateRunspace($kwState)
    $space.Open()
    $shell = [PowerShell]::Create()
    $shell.Runspace = $space
    [void]$shell.AddScript($kwFrame).AddArgument($question.script).AddArgument($question.parameters)
    @{ question = $question; shell = $shell; clock = [Diagnostics.Stopwatch]::StartNew(); handle = $shell.BeginInvoke() }
}
function Stop-Question($running) {
    $ms = [int]$running.clock.ElapsedMilliseconds
    $at = [DateTime]::UtcNow.ToString('o')
    $answer = @{ at = $at; ms = $ms }
    try {
        $value = $running.shell.EndInvoke($running.handle)
        $answer.value = if ($value.Count -gt 0) { $value[$value.Count - 1] } else { $null }
    } catch {
        $e = $_.Exception
        while ($e.InnerException -and $e -isnot [Management.Automation.RuntimeException]) { $e = $e.InnerException }
        $record = if ($e.ErrorRecord) { $e.ErrorRecord } else { $_ }
        $deep = if ($record.Exception) { $record.Exception } else { $e }
        $answer.error = @{ type = $deep.GetType().FullName; hresult = '0x{0:X8}' -f $deep.HResult; fqid = [string]$record.FullyQualifiedErrorId; message = [string]$deep.Message }
    }
    Write-Answer $running.question.id $answer
}
$kwWaiting = New-Object Collections.Queue (, @($kwPayload.questions))
$kwRunning = New-Object Collections.ArrayList
while ($kwWaiting.Count -gt 0 -or $kwRunning.Count -gt 0) {
    while ($kwWaiting.Count -gt 0 -and $kwRunning.Count -lt 4) { [void]$kwRunning.Add((Start-Question $kwWaiting.Dequeue())) }
    $handles = @($kwRunning | ForEach-Object { $_.handle.AsyncWaitHandle })
    [void][Threading.WaitHandle]::WaitAny($handles, 100)
    foreach ($r in @($kwRunning)) {
        if ($r.handle.IsCompleted) {
            $kwRunning.Remove($r); Stop-Question $r; $kwCount++
        } elseif ($r.clock.Elapsed.TotalSeconds -gt $r.question.seconds) {
            # Left behind: Stop() would wait for the native call that hangs. Exit ends it.
            $kwRunning.Remove($r); $kwCount++
            Write-Answer $r.question.id @{ at = [DateTime]::UtcNow.ToString('o'); ms = [int]$r.clock.ElapsedMilliseconds; error = @{ type = 'kwinnow.deadline'; hresult = ''; fqid = ''; message = '' } }
        }
    }
}
$kwWriter.Write("~kw done $kwCount`n")
$kwWriter.Flush()
