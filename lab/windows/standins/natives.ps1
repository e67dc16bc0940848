# Programs. What they print is in the state, by argument list; those of Windows itself are made from the state.
# whoami /groups and the label SIDs: https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-security-identifiers ;
# netsh: https://learn.microsoft.com/troubleshoot/windows-server/networking/default-dynamic-port-range-tcpip-chang ;
# w32tm: https://learn.microsoft.com/windows-server/networking/windows-time-service/windows-time-service-tools-and-settings

# Functions named by the full paths of the programs, and by their short names where PATH has their folder.
function Initialize-LabNatives {
    $path = [string](Get-LabState environment)['Path']
    foreach ($program in (Get-LabState natives).Keys) {
        $names = @($program)
        $folder = $program.Substring(0, $program.LastIndexOf('\'))
        $exe = $program.Substring($program.LastIndexOf('\') + 1)
        if ($folder -eq 'C:\Windows\System32' -or @($path -split ';' | ForEach-Object { $_.TrimEnd('\') }) -contains $folder) { $names += $exe, ($exe -replace '\.exe$', '') }
        $text = "Invoke-LabNative '$($program.Replace("'", "''"))' `$args"
        foreach ($name in $names) { Microsoft.PowerShell.Management\Set-Item -LiteralPath "Function:\global:$name" -Value ([scriptblock]::Create($text)) }
    }
}

function Invoke-LabNative([string]$program, [object[]]$arguments) {
    Wait-LabHang ($program.Split('\')[-1])
    if ($program -notlike 'C:\Windows\*' -and -not [IO.File]::Exists((Resolve-LabPath $program))) {
        throw (New-LabError 'CommandNotFoundException' "The term '$program' is not recognized as the name of a cmdlet, function, script file, or operable program." 'System.Management.Automation.CommandNotFoundException' 'ObjectNotFound' $program)
        return
    }
    Add-LabTrace "native $program"
    $answers = (Get-LabState natives)[$program]
    $line = [string]::Join(' ', @($arguments | ForEach-Object { [string]$_ }))
    $answer = if ($answers.Contains($line)) { $answers[$line] } else { $key = $answers.Keys | Where-Object { $line -like $_ } | Select-Object -First 1; if ($key) { $answers[$key] } }
    if ($null -eq $answer) { $answer = @{ stdout = ''; stderr = "the lab has no answer for: $line"; exit_code = 64 } }
    $global:LASTEXITCODE = [int]$answer.exit_code
    if ($answer.stdout) { [string]$answer.stdout -replace '\r?\n$', '' -split '\r?\n' }
    if ($answer.stderr) { foreach ($text in [string]$answer.stderr -replace '\r?\n$', '' -split '\r?\n') { Microsoft.PowerShell.Utility\Write-Error -Message $text -ErrorId NativeCommandError -CategoryActivity $program -ErrorAction Continue } }
}

# An answer that the state gives for a Windows program goes before what is made up here.
function Get-LabNativeAnswer([string]$exe, [object[]]$arguments) {
    Add-LabTrace "native *\$exe"
    $natives = Get-LabState natives
    $line = [string]::Join(' ', @($arguments))
    foreach ($program in $natives.Keys) { if ($program.EndsWith("\$exe", 'OrdinalIgnoreCase') -and $natives[$program].Contains($line)) { return $natives[$program][$line] } }
    $null
}

function chcp.com { $global:LASTEXITCODE = 0; Get-LabSentence @{ 'en-US' = "Active code page: $args"; 'de-DE' = "Aktive Codepage: $args."; 'zh-CN' = "活动代码页: $args" } }
function hostname.exe { $global:LASTEXITCODE = 0; (Get-LabState os).hostname }

function whoami.exe {
    $global:LASTEXITCODE = 0
    $os = Get-LabState os
    if ($args -notcontains '/groups') { "$($os.hostname)\administrator".ToLowerInvariant(); return }
    $de = $os.ui_culture -eq 'de-DE'
    ''
    if ($de) { 'GRUPPENINFORMATIONEN' } else { 'GROUP INFORMATION' }
    '-----------------'
    ''
    '{0,-60} {1,-16} {2,-14} {3}' -f $(if ($de) { 'Gruppenname' } else { 'Group Name' }), $(if ($de) { 'Typ' } else { 'Type' }), 'SID', $(if ($de) { 'Attribute' } else { 'Attributes' })
    '============================================================ ================ ============== =================================================='
    '{0,-60} {1,-16} {2,-14} {3}' -f $(if ($de) { 'Jeder' } else { 'Everyone' }), 'Well-known group', 'S-1-1-0', 'Mandatory group, Enabled by default, Enabled group'
    '{0,-60} {1,-16} {2,-14} {3}' -f $(if ($de) { 'VORDEFINIERT\Administratoren' } else { 'BUILTIN\Administrators' }), 'Alias', 'S-1-5-32-544', $(if ($os.elevated) { 'Mandatory group, Enabled by default, Enabled group, Group owner' } else { 'Group used for deny only' })
    if ($os.elevated) { '{0,-60} {1,-16} {2,-14}' -f $(if ($de) { 'Verbindliche Beschriftung\Hohe Verbindlichkeitsstufe' } else { 'Mandatory Label\High Mandatory Level' }), 'Label', 'S-1-16-12288' }
    else { '{0,-60} {1,-16} {2,-14}' -f $(if ($de) { 'Verbindliche Beschriftung\Mittlere Verbindlichkeitsstufe' } else { 'Mandatory Label\Medium Mandatory Level' }), 'Label', 'S-1-16-8192' }
}

function netsh.exe {
    $given = Get-LabNativeAnswer netsh.exe $args
    $global:LASTEXITCODE = 0
    if ($given) { $global:LASTEXITCODE = [int]$given.exit_code; [string]$given.stdout -split '\r?\n'; return }
    $line = [string]::Join(' ', @($args))
    $protocol = if ($line -match 'udp') { 'udp' } else { 'tcp' }
    $culture = (Get-LabState os).ui_culture
    if ($line -match 'excludedportrange') {
        $head = @{ 'en-US' = @("Protocol $protocol Port Exclusion Ranges", 'Start Port    End Port'); 'de-DE' = @("Portausschlussbereiche für Protokoll $protocol", 'Startport     Endport'); 'zh-CN' = @("协议 $protocol 端口排除范围", '开始端口    结束端口') }[$culture]
        ''; $head[0]; ''; $head[1]; '----------    --------'
        foreach ($pair in @((Get-LabState excluded_ports)[$protocol])) { if ($pair) { '{0,10}  {1,10}' -f $pair[0], $pair[1] } }
        ''; '* - Administered port exclusions.'; ''
    } elseif ($line -match 'dynamicport') {
        $ports = Get-LabDynamicPorts $protocol
        $words = @{ 'en-US' = @("Protocol $protocol Dynamic Port Range", 'Start Port      ', 'Number of Ports '); 'de-DE' = @("Dynamischer Portbereich für Protokoll $protocol", 'Startport       ', 'Portanzahl      '); 'zh-CN' = @("协议 $protocol 动态端口范围", '启动端口        ', '端口数          ') }[$culture]
        ''; $words[0]; '---------------------------------'; "$($words[1]): $($ports[0])"; "$($words[2]): $($ports[1])"; ''
    } else { $global:LASTEXITCODE = 1 }
}

function w32tm.exe {
    $given = Get-LabNativeAnswer w32tm.exe $args
    if ($given) { $global:LASTEXITCODE = [int]$given.exit_code; [string]$given.stdout -split '\r?\n'; return }
    $service = (Get-LabState services)['W32Time']
    if (-not $service -or $service.state -ne 'Running') {
        $global:LASTEXITCODE = -2147023838
        Get-LabSentence @{ 'en-US' = 'The following error occurred: The service has not been started. (0x80070426)'; 'de-DE' = 'Folgender Fehler ist aufgetreten: Der Dienst wurde nicht gestartet. (0x80070426)'; 'zh-CN' = '发生下列错误: 服务尚未启动。 (0x80070426)' }
        return
    }
    $global:LASTEXITCODE = 0
    $key = Get-LabRegistryKey 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters'
    $server = if ($key) { [string]$key['NtpServer'] }
    if (-not $server) { $server = 'time.windows.com,0x8' }
    if ($args -contains '/source') { $server } else { "Source: $server" }
}

# https://learn.microsoft.com/powershell/module/microsoft.powershell.core/get-command?view=powershell-5.1 (-CommandType Application)
function Get-Command {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline)][string[]]$Name, [string]$CommandType, [string[]]$Module)
    process {
        Add-LabTrace 'native *'
        $programs = @((Get-LabState natives).Keys) + @('whoami', 'netsh', 'w32tm', 'hostname', 'sc', 'chcp' | ForEach-Object { "C:\Windows\System32\$_.exe" })
        $path = @([string](Get-LabState environment)['Path'] -split ';' | ForEach-Object { $_.TrimEnd('\') }) + 'C:\Windows\System32'
        $rest = @()
        foreach ($one in $Name) {
            $hit = $null
            foreach ($program in $programs) {
                $exe = $program.Substring($program.LastIndexOf('\') + 1); $folder = $program.Substring(0, $program.LastIndexOf('\'))
                if ($program -eq $one -or (($exe -eq $one -or $exe -eq "$one.exe") -and $path -contains $folder)) { $hit = $program; break }
            }
            if ($hit -and ($hit -like 'C:\Windows\*' -or [IO.File]::Exists((Resolve-LabPath $hit))) -and $CommandType -in '', 'Application', 'All') {
                [pscustomobject][ordered]@{ PSTypeName = 'System.Management.Automation.ApplicationInfo'; Name = $hit.Split('\')[-1]; CommandType = [Management.Automation.CommandTypes]::Application; Source = $hit; Path = $hit; Definition = $hit; Extension = '.exe' }
            } elseif ($CommandType -eq 'Application') {
                $PSCmdlet.WriteError((New-LabError 'CommandNotFoundException,Microsoft.PowerShell.Commands.GetCommandCommand' "The term '$one' is not recognized as the name of a cmdlet, function, script file, or operable program." 'System.Management.Automation.CommandNotFoundException' 'ObjectNotFound' $one))
            } else { $rest += $one }
        }
        if ($rest.Count -or -not $Name) {
            $more = @{}
            if ($rest.Count) { $more.Name = $rest }
            if ($CommandType) { $more.CommandType = $CommandType }
            if ($Module) { $more.Module = $Module }
            Microsoft.PowerShell.Core\Get-Command @more
        }
    }
}
