# Services: https://learn.microsoft.com/dotnet/api/system.serviceprocess.servicecontroller and
# https://learn.microsoft.com/powershell/module/microsoft.powershell.management/get-service?view=powershell-5.1
# Error ids: https://github.com/PowerShell/PowerShell/blob/master/src/Microsoft.PowerShell.Commands.Management/commands/management/Service.cs

function New-LabService([string]$name, $service) {
    $status = @{ Running = 'Running'; Stopped = 'Stopped'; Paused = 'Paused'; 'Start Pending' = 'StartPending'; 'Stop Pending' = 'StopPending' }[[string]$service.state]
    $start = @{ Auto = 'Automatic'; Manual = 'Manual'; Disabled = 'Disabled' }[[string]$service.start_mode]
    $display = if ($service.display_name) { $service.display_name } else { $name }
    New-LabObject 'System.ServiceProcess.ServiceController' ([ordered]@{
        Name = $name; RequiredServices = @($service.depends_on); CanPauseAndContinue = $false; CanShutdown = $false; CanStop = $service.state -eq 'Running'
        DisplayName = $display; DependentServices = @(); MachineName = '.'; ServiceName = $name; ServicesDependedOn = @($service.depends_on); ServiceHandle = $null
        Status = ConvertTo-LabEnum 'System.ServiceProcess.ServiceControllerStatus' $status; ServiceType = 16; StartType = ConvertTo-LabEnum 'System.ServiceProcess.ServiceStartMode' $start; Site = $null; Container = $null
    })
}

function New-LabServiceError([string]$id, [string]$name) {
    $sentences = @{
        NoServiceFoundForGivenName = @{ 'en-US' = "Cannot find any service with service name '$name'."; 'de-DE' = "Es wurde kein Dienst mit dem Dienstnamen `"$name`" gefunden."; 'zh-CN' = "找不到任何服务名称为`“$name`”的服务。" }
        CouldNotStartService = @{ 'en-US' = "Failed to start service '$name'."; 'de-DE' = "Fehler beim Starten des Diensts `"$name`"."; 'zh-CN' = "无法启动服务`“$name`”。" }
        CouldNotStopService = @{ 'en-US' = "Cannot stop service '$name'."; 'de-DE' = "Der Dienst `"$name`" kann nicht beendet werden."; 'zh-CN' = "无法停止服务`“$name`”。" }
        CouldNotSetService = @{ 'en-US' = "Service '$name' cannot be configured due to the following error: Access is denied"; 'de-DE' = "Der Dienst `"$name`" kann aufgrund des folgenden Fehlers nicht konfiguriert werden: Zugriff verweigert"; 'zh-CN' = "由于以下错误，无法配置服务`“$name`”: 拒绝访问" }
    }
    $command = @{ NoServiceFoundForGivenName = 'GetService'; CouldNotStartService = 'StartService'; CouldNotStopService = 'StopService'; CouldNotSetService = 'SetService' }[$id]
    New-LabError "$id,Microsoft.PowerShell.Commands.${command}Command" (Get-LabSentence $sentences[$id]) 'Microsoft.PowerShell.Commands.ServiceCommandException' $(if ($id -like 'No*') { 'ObjectNotFound' } else { 'PermissionDenied' }) $name
}

function Get-Service {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipelineByPropertyName)][Alias('ServiceName')][string[]]$Name)
    process {
        Wait-LabHang Get-Service
        $services = Get-LabState services
        if (-not $Name) { $Name = '*' }
        foreach ($pattern in $Name) {
            $found = @($services.Keys | Where-Object { $_ -like $pattern } | Sort-Object)
            if ($found.Count -eq 0 -and $pattern -notmatch '[*?\[]') { $PSCmdlet.WriteError((New-LabServiceError NoServiceFoundForGivenName $pattern)) }
            foreach ($key in $found) { New-LabService $key $services[$key] }
        }
    }
}

# Starts or stops in the state: the process comes and goes with the service, its dependents too. Returns an error id.
function Switch-LabService([string]$name, [bool]$on) {
    $services = Get-LabState services
    $key = $services.Keys | Where-Object { $_ -eq $name } | Select-Object -First 1
    if (-not $key) { return 'NoServiceFoundForGivenName' }
    if (-not (Get-LabState os).elevated) { return $(if ($on) { 'CouldNotStartService' } else { 'CouldNotStopService' }) }
    $service = $services[$key]
    if ($on -and $service.start_mode -eq 'Disabled') { return 'CouldNotStartService' }
    if (($service.state -eq 'Running') -eq $on) { return $null }
    if ($on) {
        foreach ($needed in $service.depends_on) { $failed = Switch-LabService $needed $true; if ($failed) { return 'CouldNotStartService' } }
        # A program that is not on the disk cannot be started.
        if ($service.path -match '^"?([A-Za-z]:\\[^"]+?\.exe)' -and -not [IO.File]::Exists((Resolve-LabPath $Matches[1])) -and $Matches[1] -notlike 'C:\Windows\*') { return 'CouldNotStartService' }
    } else {
        foreach ($other in $services.Keys) { if (@($services[$other].depends_on) -contains $key) { [void](Switch-LabService $other $false) } }
    }
    $now = ((Get-Date).ToUniversalTime() - [DateTime]::UnixEpoch).TotalSeconds - [double]::Parse($env:KWINNOW_LAB_EPOCH, [cultureinfo]::InvariantCulture)
    $before = [int]$service.pid
    $pid2 = 5000
    foreach ($p in Get-LabState processes) { if ($p.pid -gt $pid2) { $pid2 = [int]$p.pid } }
    $pid2 += 4
    Edit-LabState processes {
        param($processes)
        $rest = @($processes | Where-Object { $on -or $before -eq 0 -or ($_.pid -ne $before -and $_.ppid -ne $before) })
        if ($on -and $service.path -notmatch 'svchost') {
            $exe = if ($service.path -match '\\([^\\"]+\.exe)') { $Matches[1] } else { "$key.exe" }
            $rest += [ordered]@{ name = $exe; pid = $pid2; ppid = 700; command_line = $service.path; created = $now }
        }
        , $rest
    }
    Edit-LabState services {
        param($all)
        $all[$key].state = if ($on) { 'Running' } else { 'Stopped' }
        $all[$key].pid = if ($on) { $pid2 } else { 0 }
        if ($on) { $all[$key].started = $now; $all[$key].exit_code = 0; $all[$key].service_exit_code = 0 }
    }
    $null
}

function Start-Service {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0, Mandatory, ValueFromPipelineByPropertyName)][Alias('ServiceName')][string[]]$Name, [switch]$PassThru)
    process { foreach ($one in $Name) { $failed = Switch-LabService $one $true; if ($failed) { $PSCmdlet.WriteError((New-LabServiceError $failed $one)) } elseif ($PassThru) { Get-Service $one } } }
}

function Stop-Service {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0, Mandatory, ValueFromPipelineByPropertyName)][Alias('ServiceName')][string[]]$Name, [switch]$Force, [switch]$NoWait, [switch]$PassThru)
    process { foreach ($one in $Name) { $failed = Switch-LabService $one $false; if ($failed) { $PSCmdlet.WriteError((New-LabServiceError $failed $one)) } elseif ($PassThru) { Get-Service $one } } }
}

function Restart-Service {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0, Mandatory, ValueFromPipelineByPropertyName)][Alias('ServiceName')][string[]]$Name, [switch]$Force, [switch]$PassThru)
    process { foreach ($one in $Name) { Stop-Service -Name $one -Force; Start-Service -Name $one -PassThru:$PassThru } }
}

function Set-Service {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0, Mandatory, ValueFromPipelineByPropertyName)][Alias('ServiceName')][string]$Name, [ValidateSet('Automatic', 'Manual', 'Disabled', 'Boot', 'System')][string]$StartupType, [ValidateSet('Running', 'Stopped', 'Paused')][string]$Status, [string]$DisplayName, [string]$Description)
    process {
        $key = (Get-LabState services).Keys | Where-Object { $_ -eq $Name } | Select-Object -First 1
        if (-not $key) { $PSCmdlet.WriteError((New-LabServiceError NoServiceFoundForGivenName $Name)); return }
        if (-not (Get-LabState os).elevated) { $PSCmdlet.WriteError((New-LabServiceError CouldNotSetService $Name)); return }
        if ($StartupType) { Edit-LabState services { param($s) $s[$key].start_mode = @{ Automatic = 'Auto'; Manual = 'Manual'; Disabled = 'Disabled' }[$StartupType] } }
        if ($DisplayName) { Edit-LabState services { param($s) $s[$key].display_name = $DisplayName } }
        if ($Status -eq 'Running') { Start-Service -Name $key } elseif ($Status -eq 'Stopped') { Stop-Service -Name $key }
    }
}

# https://learn.microsoft.com/windows-server/administration/windows-commands/sc-config (the blank after the sign is part of it)
function sc.exe {
    $verb, $name, $rest = $args
    $services = Get-LabState services
    $key = $services.Keys | Where-Object { $_ -eq $name } | Select-Object -First 1
    $global:LASTEXITCODE = 0
    if (-not $key -and $verb -ne 'create') { $global:LASTEXITCODE = 1060; "[SC] OpenService FAILED 1060:"; return }
    $words = @{}
    for ($i = 0; $i -lt @($rest).Count; $i++) { if ([string]@($rest)[$i] -match '^(\w+)=(.*)$') { $words[$Matches[1]] = if ($Matches[2]) { $Matches[2] } else { $i++; @($rest)[$i] } } }
    $mode = @{ auto = 'Auto'; demand = 'Manual'; disabled = 'Disabled'; 'delayed-auto' = 'Auto' }
    switch ($verb) {
        'config' {
            Edit-LabState services { param($s)
                if ($words.start) { $s[$key].start_mode = $mode[$words.start] }
                if ($words.binPath) { $s[$key].path = $words.binPath }
                if ($words.ContainsKey('depend')) { $s[$key].depends_on = @($words.depend -split '/' | Where-Object { $_ }) } }
            '[SC] ChangeServiceConfig SUCCESS'
        }
        'create' { Edit-LabState services { param($s) $s[$name] = @{ state = 'Stopped'; start_mode = $(if ($words.start) { $mode[$words.start] } else { 'Manual' }); path = [string]$words.binPath } }; '[SC] CreateService SUCCESS' }
        'delete' { Edit-LabState services { param($s) $s.Remove($key) }; '[SC] DeleteService SUCCESS' }
        'start' { if (Switch-LabService $key $true) { $global:LASTEXITCODE = 1058; '[SC] StartService FAILED 1058:' } else { "SERVICE_NAME: $key" } }
        'stop' { if (Switch-LabService $key $false) { $global:LASTEXITCODE = 1062; '[SC] ControlService FAILED 1062:' } else { "SERVICE_NAME: $key" } }
        'failure' { '[SC] ChangeServiceConfig2 SUCCESS' }
        default { "SERVICE_NAME: $key"; "        STATE              : $(@{ Running = 4; Stopped = 1; Paused = 7; 'Start Pending' = 2 }[[string]$services[$key].state])" }
    }
}
