# Runs every question in a runspace of its own, at most four at a time, each with its own deadline, and writes each
# answer as soon as it is there. Dot-sourced by the bootstrap; $kwPayload holds the questions.
# Only this thread writes, so the lines of one answer stand together.
# Helpers for the scripts. They are copied into every runspace, like all functions of this session.
function Format-Utc($date) {
    if ($null -eq $date) { return $null }
    ([DateTime]$date).ToUniversalTime().ToString('o')
}
# Reads a file that its writer holds open, without standing in the way of its rotation. $null where there is none.
# Of a longer file than `$last` its end, a little more than that, and its byte order mark if it is of UTF-16.
function Read-Bytes([string]$path, [int]$last = 0) {
    if (-not (Test-Path -LiteralPath $path -PathType Leaf)) { return $null }
    $file = [IO.File]::Open((Get-Item -LiteralPath $path -Force).FullName, 'Open', 'Read', 'ReadWrite, Delete')
    try {
        $memory = New-Object IO.MemoryStream
        if ($last -gt 0 -and $file.Length -gt $last + 1) {
            $head = New-Object byte[] 2
            [void]$file.Read($head, 0, 2)
            if ((Read-Bom $head) -eq 'utf-16') { $memory.Write($head, 0, 2) }
            $start = $file.Length - $last - 1
            [void]$file.Seek($start - $start % 2, 'Begin')
        }
        $file.CopyTo($memory)
        , $memory.ToArray()
    } finally { $file.Dispose() }
}
# Bytes as text, byte order mark honoured, UTF-8 assumed.
function Format-Text($bytes) {
    (New-Object IO.StreamReader (New-Object IO.MemoryStream (, $bytes)), ([Text.Encoding]::UTF8), $true).ReadToEnd()
}
# A file as text. $null where it does not exist. An end begins with a whole line: in half a line nobody would know a
# secret for what it is.
function Read-Text([string]$path, [int]$last = 0) {
    $bytes = Read-Bytes $path $last
    if ($null -eq $bytes) { return $null }
    $text = Format-Text $bytes
    if ($last -gt 0 -and $bytes.Length -gt $last) { $text = $text.Substring($text.IndexOf([char]10) + 1) }
    $text
}
function Read-Bom($bytes) {
    if ($bytes.Length -ge 3 -and $bytes[0] -eq 0xEF -and $bytes[1] -eq 0xBB -and $bytes[2] -eq 0xBF) { return 'utf-8' }
    if ($bytes.Length -ge 2 -and (($bytes[0] -eq 0xFF -and $bytes[1] -eq 0xFE) -or ($bytes[0] -eq 0xFE -and $bytes[1] -eq 0xFF))) { return 'utf-16' }
    ''
}
# A registry key as a table of its values; $null where the key does not exist.
function Read-Registry([string]$path) {
    if (-not (Test-Path -LiteralPath $path)) { return $null }
    $table = @{}
    $key = Get-ItemProperty -LiteralPath $path
    foreach ($p in $key.PSObject.Properties) {
        if ('PSPath', 'PSParentPath', 'PSChildName', 'PSDrive', 'PSProvider' -notcontains $p.Name) { $table[$p.Name] = $p.Value }
    }
    $table
}
# Runs a program: what it prints, what it complains of, its exit code. Its failure is not the question's failure.
function Read-Program([string]$program, [string[]]$arguments) {
    $ErrorActionPreference = 'Continue'
    $global:LASTEXITCODE = 0
    # What cannot be started at all, say a file that was cut short, is told as what fails.
    try { $said = @(& $program @arguments 2>&1) } catch { return @{ out = ''; err = [string]$_.Exception.Message; code = -1 } }
    $out = @($said | Where-Object { $_ -isnot [Management.Automation.ErrorRecord] } | ForEach-Object { [string]$_ })
    $err = @($said | Where-Object { $_ -is [Management.Automation.ErrorRecord] } | ForEach-Object { [string]$_.Exception.Message })
    @{ out = [string]::Join("`n", $out); err = [string]::Join("`n", $err); code = [int]$LASTEXITCODE }
}
function Read-Native([string]$program, [string[]]$arguments) { (Read-Program $program $arguments).out }
function Find-Program([string]$name, [string[]]$candidates) {
    foreach ($path in $candidates) { if ($path -and (Test-Path -LiteralPath $path -PathType Leaf)) { return $path } }
    $found = Get-Command -Name $name -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($found) { return [string]$found.Source }
    $null
}
# The program of a service's command line, quoted or not.
function Get-ProgramPath([string]$line) {
    if ($line -match '^\s*"([^"]+)"') { return $Matches[1] }
    if ($line -match '^\s*(.+?\.exe)(\s|$)') { return $Matches[1] }
    if ($line -match '^\s*(\S+)') { return $Matches[1] }
    ''
}
# A path as Windows writes it: Kubernetes' programs take drive C where none is named.
function Format-Path([string]$path) {
    $path = ($path -replace '/', '\')
    if ($path -like '\*' -and $path -notlike '\\*') { $path = "C:$path" }
    $path
}
# The value of an argument: quoted as a whole, quoted alone, or not quoted. '' where it is not there.
function Get-Argument([string]$line, [string]$name) {
    if ($line -match "(?<![\w-])`"--?$name[= ]((?:(?! --?\w)[^`"])+)`"") { return $Matches[1] }
    if ($line -match "(?<![\w-])--?$name(?:=|\s+)(?:`"([^`"]*)`"|'([^']*)'|([^`"'\s]+))") { return "$($Matches[1])$($Matches[2])$($Matches[3])" }
    ''
}
# containerd as its service starts it, as nssm does, or as a process of another's service, such as RKE2's.
function Get-Containerd {
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='containerd'" | Select-Object -First 1
    $line = ''
    $program = ''
    if ($service) {
        $line = [string]$service.PathName
        $program = Get-ProgramPath $line
        $nssm = Read-Nssm 'containerd'
        if ($nssm -and $program -like '*nssm*') { $program = $nssm.application; $line = $nssm.parameters }
    } else {
        foreach ($process in Get-HostProcess 'containerd.exe' | Select-Object -First 1) { $line = [string]$process.CommandLine; $program = [string]$process.ExecutablePath }
    }
    if (-not $program -or -not (Test-Path -LiteralPath $program -PathType Leaf)) { $program = [string](Find-Program 'containerd.exe' @('C:\Program Files\containerd\containerd.exe', 'C:\Program Files\containerd\bin\containerd.exe', 'C:\var\lib\rancher\rke2\bin\containerd.exe')) }
    $config = Format-Path (Get-Argument $line '(?:config|c)')
    if (-not $config) { $config = if ($program -like '*\rancher\rke2\*') { 'C:\var\lib\rancher\rke2\agent\etc\containerd\config.toml' } else { 'C:\Program Files\containerd\config.toml' } }
    @{ present = [bool]($service -or $program); line = $line; program = $program; config = $config }
}
# crictl, where containerd or nothing else runs pods: with Docker it would ask a pipe that nobody serves.
function Find-Crictl {
    $crictl = Find-Program 'crictl.exe' @('C:\Program Files\containerd\crictl.exe', 'C:\Program Files\containerd\bin\crictl.exe', 'C:\k\crictl.exe', 'C:\usr\local\bin\crictl.exe', 'C:\bin\crictl.exe', 'C:\var\lib\rancher\rke2\bin\crictl.exe')
    if ($crictl -and (Get-CimInstance -ClassName Win32_Service -Filter "Name='docker'") -and -not (Get-Containerd).present) { return $null }
    $crictl
}
# Names of pipes. One with a character that no path may have, and Windows PowerShell lists none at all
# (https://github.com/dotnet/diagnostics/issues/3104): then those of `$wanted` are tried by name.
function Find-Pipe([string[]]$wanted) {
    $failed = $null
    $names = @()
    try { $names = @(Get-ChildItem -LiteralPath '\\.\pipe\' -ErrorAction SilentlyContinue -ErrorVariable failed | ForEach-Object { [string]$_.Name }) } catch { $failed = $_ }
    if ($failed) { $names += @($wanted | Where-Object { $names -notcontains $_ -and (Test-Path -LiteralPath "\\.\pipe\$_") }) }
    $names
}
# Sessions of ordinary containers: each has the processes of a Windows of its own, which no logon session has
# (https://github.com/microsoft/Windows-Containers/issues/254 finds a container by its CExecSvc.exe's session).
function Get-ContainerSession {
    Get-CimInstance -ClassName Win32_Process -Filter "Name='CExecSvc.exe' OR Name='wininit.exe'" | Where-Object { $_.SessionId -ne 0 } | ForEach-Object { [int]$_.SessionId } | Sort-Object -Unique
}
# Host processes of one program, those of services first: start.ps1 leaves programs in the session of a logon. A
# kubelet that another question has just asked for its version is none.
function Get-HostProcess([string]$name) {
    $found = @(Get-CimInstance -ClassName Win32_Process -Filter "Name='$name'" | Where-Object { [string]$_.CommandLine -notmatch '\s"?--version"?\s*$' })
    $inside = @()
    if (@($found | Where-Object { $_.SessionId -ne 0 }).Count -gt 0) { $inside = @(Get-ContainerSession) }
    @($found | Where-Object { $inside -notcontains [int]$_.SessionId } | Sort-Object -Property SessionId)
}
# Nothing secret leaves the node: keys, tokens, passwords and credentials in addresses become <hidden>.
function Hide-Secrets([string]$text) {
    $word = '(?i)((?<![a-z0-9])(?:[\w-]*(?:password|passwd|token|secret|key-data|api[_-]?key|access[_-]?key)|auth|username)["'']?\s*[:=]\s*'
    $text = $text -replace '(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)', '<hidden>'
    $text = $text -replace '(://)[^/\s:@"'']+:[^/\s@"'']+@', '$1<hidden>@'
    $text = $text -replace '(?i)(bearer\s+)[^\s"'']{8,}', '$1<hidden>'
    $text = $text -replace 'eyJ[\w-]{10,}\.[\w-]+\.[\w-]*', '<hidden>'
    $text = $text -creplace '(?<![\w.-])[a-z0-9]{6}\.[a-z0-9]{16}(?![\w.-])', '<hidden>'
    # JSON within JSON: \"token\":\"...\"
    $text = $text -replace ($word.Replace('["'']?', '\\"') + '\\")[^"\\\r\n]*'), '$1<hidden>'
    $text = $text -replace ($word + '")[^"\r\n]*"'), '$1<hidden>"'
    $text = $text -replace ($word + "')[^'\r\n]*'"), '$1<hidden>'''
    $text = $text -replace ($word + ')(?!(?:true|false|null|\d+)\b)[^\s,;}{\[\\"''<][^\s,;}"'']*'), '$1<hidden>'
    $text -replace '(?i)(--[\w-]*(?:password|token|secret)\s+)[^\s-]\S*', '$1<hidden>'
}
function Hide-Variable([string]$name, [string]$value) {
    if ($name -match 'PASS|TOKEN|SECRET|KEY') { return '<hidden>' }
    Hide-Secrets $value
}
# What nssm keeps of a service; $null where nssm does not run it.
function Read-Nssm([string]$service) {
    $key = Read-Registry "HKLM:\SYSTEM\CurrentControlSet\Services\$service\Parameters"
    if ($null -eq $key -or -not $key.Application) { return $null }
    $lines = @($key.AppEnvironmentExtra) + @($key.AppEnvironment) | Where-Object { $_ }
    $variables = @($lines | ForEach-Object { $name, $value = ([string]$_).Split('=', 2); "$name=" + (Hide-Variable $name $value) })
    # Some install with quotes within the quotes; no path has them.
    @{ application = ([string]$key.Application).Trim('"'); parameters = (Hide-Secrets ([string]$key.AppParameters)); directory = [string]$key.AppDirectory; environment = $variables; stdout = ([string]$key.AppStdout).Trim('"'); stderr = ([string]$key.AppStderr).Trim('"') }
}
# The script that starts the kubelet, by nssm or from its usual place, and what it says. Cluster API's images write
# $env:SYSTEMDRIVE before every path.
function Read-StartScript($nssm) {
    $paths = @()
    if ($nssm -and $nssm.parameters -match '([A-Za-z]:\\[^"'']+?\.ps1)') { $paths += $Matches[1] }
    foreach ($path in $paths + @('C:\k\StartKubelet.ps1', 'C:\k\start-kubelet.ps1')) {
        $read = Read-Text $path
        if ($null -ne $read) { return @{ path = $path; text = ($read -replace '\$env:SystemDrive', 'C:') } }
    }
    @{ path = ''; text = '' }
}
# The first certificate in PEM text: no key is looked at. $null where there is none.
function Read-Certificate([string]$pem) {
    if ($pem -notmatch '(?s)-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----') { return $null }
    $der = [Convert]::FromBase64String(($Matches[1] -replace '\s', ''))
    $one = New-Object Security.Cryptography.X509Certificates.X509Certificate2 (, $der)
    @{ subject = [string]$one.Subject; not_before = (Format-Utc $one.NotBefore); not_after = (Format-Utc $one.NotAfter); sha256 = (Get-Sha256 $der) }
}
function Get-Sha256($bytes) {
    [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash([byte[]]$bytes)).Replace('-', '').ToLowerInvariant()
}
try { [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false } catch { [void]$_ }
# 5.1 writes wrapped lists as {"value":..,"Count":..}; without this member they are lists.
Remove-TypeData -TypeName System.Array -ErrorAction SilentlyContinue
$kwWriter = [Console]::Out
$kwCount = 0
function Write-Answer([string]$id, $answer) {
    $json = ConvertTo-Json -InputObject $answer -Depth 12 -Compress
    $memory = New-Object IO.MemoryStream
    $zip = New-Object IO.Compression.GZipStream $memory, ([IO.Compression.CompressionMode]::Compress)
    $bytes = [Text.Encoding]::UTF8.GetBytes($json)
    $zip.Write($bytes, 0, $bytes.Length)
    $zip.Dispose()
    $packed = $memory.ToArray()
    $text = [Convert]::ToBase64String($packed)
    for ($at = 0; $at -lt $text.Length; $at += 4000) {
        $kwWriter.Write("~kw data $id " + $text.Substring($at, [Math]::Min(4000, $text.Length - $at)) + "`n")
    }
    $kwWriter.Write("~kw end $id $($packed.Length) $(Get-Sha256 $packed)`n")
    $kwWriter.Flush()
}
function Write-Failure([string]$id, [int]$ms, $caught) {
    $e = $caught.Exception
    # Calling EndInvoke wraps what the question threw.
    while ($e.InnerException -and $e -is [Management.Automation.MethodInvocationException]) { $e = $e.InnerException }
    $record = if ($e.ErrorRecord) { $e.ErrorRecord } else { $caught }
    $deep = $e
    if ($record.Exception -and $record.Exception -isnot [Management.Automation.ParentContainsErrorRecordException]) { $deep = $record.Exception }
    $said = Hide-Secrets ([string]$deep.Message)
    Write-Answer $id @{ at = (Format-Utc (Get-Date)); ms = $ms; error = @{ type = $deep.GetType().FullName; hresult = '0x{0:X8}' -f $deep.HResult; fqid = [string]$record.FullyQualifiedErrorId; message = $said } }
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
Remove-TypeData -TypeName System.Array -ErrorAction SilentlyContinue
. ([ScriptBlock]::Create($kwScript))
'@
# A runspace costs more than most questions: it is used again, unless its question hangs in it.
$kwFree = New-Object Collections.Stack
function Start-Question($question) {
    if ($kwFree.Count -gt 0) { $space = $kwFree.Pop() } else {
        $space = [Management.Automation.Runspaces.RunspaceFactory]::CreateRunspace($kwState)
        $space.Open()
    }
    $shell = [PowerShell]::Create()
    $shell.Runspace = $space
    [void]$shell.AddScript($kwFrame, $true).AddArgument($question.script).AddArgument($question.parameters)
    @{ question = $question; shell = $shell; clock = [Diagnostics.Stopwatch]::StartNew(); handle = $shell.BeginInvoke() }
}
function Complete-Question($running) {
    $ms = [int]$running.clock.ElapsedMilliseconds
    try {
        $value = $running.shell.EndInvoke($running.handle)
        $answer = @{ at = (Format-Utc (Get-Date)); ms = $ms; value = $null }
        if ($value.Count -gt 0) { $answer.value = $value[$value.Count - 1] }
        Write-Answer $running.question.id $answer
    } catch { Write-Failure $running.question.id $ms $_ }
    $kwFree.Push($running.shell.Runspace)
}
$kwWaiting = New-Object Collections.Queue
foreach ($q in @($kwPayload.questions)) { if ($q) { $kwWaiting.Enqueue($q) } }
$kwRunning = New-Object Collections.ArrayList
while ($kwWaiting.Count -gt 0 -or $kwRunning.Count -gt 0) {
    while ($kwWaiting.Count -gt 0 -and $kwRunning.Count -lt 4) {
        $q = $kwWaiting.Dequeue()
        try { [void]$kwRunning.Add((Start-Question $q)) } catch { Write-Failure $q.id 0 $_; $kwCount++ }
    }
    if ($kwRunning.Count -eq 0) { continue }
    $handles = @($kwRunning | ForEach-Object { $_.handle.AsyncWaitHandle })
    [void][Threading.WaitHandle]::WaitAny($handles, 100)
    foreach ($r in @($kwRunning)) {
        if ($r.handle.IsCompleted) {
            $kwRunning.Remove($r); Complete-Question $r; $kwCount++
        } elseif ($r.clock.Elapsed.TotalSeconds -gt $r.question.seconds) {
            # Left behind: Stop() would wait for the native call that hangs. Exit ends it.
            $kwRunning.Remove($r); $kwCount++
            Write-Answer $r.question.id @{ at = (Format-Utc (Get-Date)); ms = [int]$r.clock.ElapsedMilliseconds; error = @{ type = 'kwinnow.deadline'; hresult = ''; fqid = ''; message = '' } }
        }
    }
}
$kwWriter.Write("~kw done $kwCount`n")
$kwWriter.Flush()
