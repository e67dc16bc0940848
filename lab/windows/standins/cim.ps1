# Get-CimInstance. Classes and property types: https://learn.microsoft.com/windows/win32/cimwin32prov/win32-service
# (and win32-process, win32-operatingsystem, win32-computersystem, win32-pagefileusage, win32-logicaldisk,
# win32-systemdriver beside it); sample instances: https://powershell.one/wmi/root/cimv2/win32_service

# A WQL condition as a PowerShell one. Only comparisons, LIKE, IS [NOT] NULL, AND, OR, NOT and parentheses.
function ConvertFrom-LabWql([string]$filter) {
    $out = [Text.StringBuilder]::new()
    $like = $negated = $false
    $filter = $filter -replace '\bIS\s+NOT\s+NULL\b', '<> NULL' -replace '\bIS\s+NULL\b', '= NULL'
    foreach ($match in [regex]::Matches($filter, '''(?<s>[^'']*)''|"(?<s>[^"]*)"|(?<op><>|!=|<=|>=|=|<|>)|(?<n>-?\d+(\.\d+)?)|(?<w>[A-Za-z_]\w*)|(?<p>[()])|(?<bad>\S)')) {
        if ($match.Groups['bad'].Success) { throw (New-LabError 'HRESULT 0x80041017,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand' 'Invalid query ' 'System.Exception' 'InvalidArgument') }
        if ($match.Groups['s'].Success) {
            $text = $match.Groups['s'].Value.Replace('\\', '\')
            if ($like) { $text = [Management.Automation.WildcardPattern]::Escape($text).Replace('%', '*').Replace('_', '?'); $like = $false }
            [void]$out.Append(" '" + $text.Replace("'", "''") + "'" + $(if ($negated) { ')' }))
            $negated = $false
        } elseif ($match.Groups['op'].Success) {
            [void]$out.Append(' ' + @{ '=' = '-eq'; '<>' = '-ne'; '!=' = '-ne'; '<=' = '-le'; '>=' = '-ge'; '<' = '-lt'; '>' = '-gt' }[$match.Value])
        } elseif ($match.Groups['n'].Success) { [void]$out.Append(" $($match.Value)" + $(if ($negated) { ')' })); $negated = $false }
        elseif ($match.Groups['p'].Success) { [void]$out.Append(" $($match.Value)") }
        else {
            switch ($match.Value) {
                'AND' { [void]$out.Append(' -and') } 'OR' { [void]$out.Append(' -or') } # NOT binds a comparison here; PowerShell's operator binds only the property.
                'NOT' { [void]$out.Append(' -not'); if ($filter.Substring($match.Index + 3) -notmatch '^\s*\(') { [void]$out.Append(' ('); $negated = $true } }
                'LIKE' { [void]$out.Append(' -like'); $like = $true }
                { $_ -in 'NULL', 'TRUE', 'FALSE' } { [void]$out.Append(" `$$($match.Value)" + $(if ($negated) { ')' })); $negated = $false }
                default { [void]$out.Append(" `$_.'$($match.Value)'") }
            }
        }
    }
    [scriptblock]::Create($out.ToString())
}

function Get-LabCimRows([string]$class) {
    $os = Get-LabState os
    $computer = $os.hostname.ToUpperInvariant()
    $languages = @{ 'en-US' = 1033; 'de-DE' = 1031; 'zh-CN' = 2052 }
    switch ($class) {
        'Win32_OperatingSystem' {
            [ordered]@{
                Caption = "Microsoft $($os.product_name)"; CSName = $computer; Version = "10.0.$($os.build)"; BuildNumber = [string]$os.build; OSArchitecture = '64-bit'
                LastBootUpTime = ConvertTo-LabTime $os.boot; LocalDateTime = Get-Date; FreePhysicalMemory = [uint64]$os.free_memory_kb; TotalVisibleMemorySize = [uint64]$os.memory_kb
                TotalVirtualMemorySize = [uint64]($os.memory_kb + 1024 * (Get-LabState page_file_mb)); FreeVirtualMemory = [uint64]$os.free_memory_kb
                OSLanguage = [uint32]$languages[$os.ui_culture]; Locale = $languages[$os.ui_culture].ToString('x4'); MUILanguages = [string[]]@($os.ui_culture)
                ProductType = [uint32]3; NumberOfProcesses = [uint32]@(Get-LabState processes).Count; SystemDrive = 'C:'; WindowsDirectory = 'C:\Windows'; CurrentTimeZone = [int16]0; Status = 'OK'
            }
        }
        'Win32_ComputerSystem' {
            [ordered]@{
                Name = $computer.Substring(0, [Math]::Min(15, $computer.Length)); DNSHostName = $os.hostname; Domain = $os.domain; PartOfDomain = [bool]$os.part_of_domain; DomainRole = [uint16]$(if ($os.part_of_domain) { 3 } else { 2 })
                Workgroup = $(if ($os.part_of_domain) { $null } else { $os.domain }); Manufacturer = $os.manufacturer; Model = $os.model; HypervisorPresent = $true; NumberOfProcessors = [uint32]1
                NumberOfLogicalProcessors = [uint32]$os.cpus; TotalPhysicalMemory = [uint64]$os.memory_kb * 1024; AutomaticManagedPagefile = $true; Status = 'OK'
            }
        }
        'Win32_Service' {
            $services = Get-LabState services
            foreach ($name in $services.Keys | Sort-Object) {
                $s = $services[$name]
                [ordered]@{
                    Name = $name; Status = $(if ($s.state -eq 'Start Pending') { 'Degraded' } else { 'OK' }); ExitCode = [uint32]$s.exit_code; DesktopInteract = $false; ErrorControl = 'Normal'; PathName = $s.path
                    ServiceType = $(if ($s.path -match 'svchost') { 'Share Process' } else { 'Own Process' }); StartMode = $s.start_mode; Caption = $(if ($s.display_name) { $s.display_name } else { $name }); Description = $null; InstallDate = $null
                    CreationClassName = 'Win32_Service'; Started = $s.state -ne 'Stopped'; SystemCreationClassName = 'Win32_ComputerSystem'; SystemName = $computer; AcceptPause = $false; AcceptStop = $s.state -eq 'Running'
                    DisplayName = $(if ($s.display_name) { $s.display_name } else { $name }); ServiceSpecificExitCode = [uint32]$s.service_exit_code; StartName = $s.account; State = $s.state; TagId = [uint32]0
                    CheckPoint = [uint32]0; DelayedAutoStart = $false; ProcessId = [uint32]$s.pid; WaitHint = [uint32]0
                }
            }
        }
        'Win32_SystemDriver' {
            $drivers = Get-LabState drivers
            foreach ($name in $drivers.Keys | Sort-Object) {
                [ordered]@{ Name = $name; DisplayName = $name; State = $drivers[$name]; Started = $drivers[$name] -eq 'Running'; StartMode = 'Manual'; Status = 'OK'; ServiceType = 'Kernel Driver'; PathName = "C:\Windows\system32\drivers\$name.sys"; ExitCode = [uint32]0; SystemName = $computer }
            }
        }
        'Win32_Process' {
            foreach ($p in Get-LabState processes) {
                # Without elevation the command lines of other users' processes are not readable.
                $line = if ($os.elevated -and $p.command_line) { $p.command_line } else { $null }
                [ordered]@{
                    Name = $p.name; Handle = [string]$p.pid; ProcessId = [uint32]$p.pid; ParentProcessId = [uint32]$p.ppid; CommandLine = $line; CreationDate = ConvertTo-LabTime $p.created
                    ExecutablePath = $(if ($line -match '^"([^"]+)"|^(\S+)') { "$($Matches[1])$($Matches[2])" } else { $null }); WorkingSetSize = [uint64]$p.working_set; ThreadCount = [uint32]$p.threads
                    HandleCount = [uint32]$p.handles; SessionId = [uint32]$p.session; Priority = [uint32]8; PageFileUsage = [uint32]($p.working_set / 1024); CSName = $computer; OSName = "Microsoft $($os.product_name)|C:\Windows"
                }
            }
        }
        'Win32_PageFileUsage' {
            $mb = Get-LabState page_file_mb
            if ($mb -gt 0) { [ordered]@{ Name = 'C:\pagefile.sys'; Caption = 'C:\pagefile.sys'; AllocatedBaseSize = [uint32]$mb; CurrentUsage = [uint32]($mb / 50); PeakUsage = [uint32]($mb / 20); TempPageFile = $false; InstallDate = ConvertTo-LabTime -30000000 } }
        }
        'Win32_LogicalDisk' {
            foreach ($d in Get-LabState disks) {
                $row = [ordered]@{ DeviceID = 'C:'; Caption = $d.DeviceID; DriveType = [uint32]3; FileSystem = 'NTFS'; Size = [uint64]0; FreeSpace = [uint64]0; VolumeName = ''; Compressed = $false; MediaType = [uint32]12 }
                foreach ($key in $d.Keys) { $row[$key] = if ($key -in 'Size', 'FreeSpace') { [uint64]$d[$key] } elseif ($key -eq 'DriveType') { [uint32]$d[$key] } else { $d[$key] } }
                $row
            }
        }
        'Win32_PerfFormattedData_PerfOS_Memory' {
            $total = [uint64]$os.memory_kb * 1024; $free = [uint64]$os.free_memory_kb * 1024
            [ordered]@{ AvailableBytes = $free; AvailableKBytes = [uint64]($free / 1KB); AvailableMBytes = [uint64]($free / 1MB); CommittedBytes = [uint64](($total - $free) * 1.1); CommitLimit = [uint64]($total + (Get-LabState page_file_mb) * 1MB); PercentCommittedBytesInUse = [uint32](100 * ($total - $free) / $total); PoolNonpagedBytes = [uint64]300MB }
        }
        'Win32_QuickFixEngineering' { }
        default { throw (New-LabError 'HRESULT 0x80041010,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand' (Get-LabSentence @{ 'en-US' = 'Invalid class '; 'de-DE' = 'Ungültige Klasse '; 'zh-CN' = '无效类 ' }) 'System.Exception' 'MetadataError' $class) }
    }
}

function Get-CimInstance {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$ClassName, [string]$Filter, [string[]]$Property, [string]$Query, [string]$Namespace = 'root/cimv2', [uint32]$OperationTimeoutSec, [switch]$KeyOnly)
    Wait-LabHang Get-CimInstance
    if ($Query) {
        if ($Query -notmatch '^\s*SELECT\s+(?<p>.+?)\s+FROM\s+(?<c>\w+)(\s+WHERE\s+(?<f>.+))?\s*$') { throw (New-LabError 'HRESULT 0x80041017,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand' 'Invalid query ') }
        $ClassName = $Matches.c; $Filter = $Matches.f
    }
    Wait-LabHang $ClassName
    $objects = Get-LabCimRows $ClassName | ForEach-Object {
        $row = $_
        # What is not asked for by -Property is there and empty.
        if ($Property) { foreach ($key in @($row.Keys)) { if ($key -notin $Property) { $row["_$key"] = $row[$key] } } }
        [pscustomobject]$row
    }
    if ($Filter) { $objects = $objects | Where-Object (ConvertFrom-LabWql $Filter) }
    foreach ($object in $objects) {
        $values = [ordered]@{}
        foreach ($p in $object.PSObject.Properties) {
            if ($p.Name.StartsWith('_')) { continue }
            $values[$p.Name] = if ($Property -and $p.Name -notin $Property) { $null } else { $p.Value }
        }
        New-LabCim $ClassName $values
    }
}

# https://learn.microsoft.com/powershell/module/microsoft.powershell.management/get-process?view=powershell-5.1
function Get-Process {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$Name, [int[]]$Id)
    Wait-LabHang Get-Process
    $found = $false
    foreach ($p in Get-LabState processes) {
        $short = [IO.Path]::GetFileNameWithoutExtension($p.name)
        if ($Name -and -not @($Name | Where-Object { $short -like $_ }).Count) { continue }
        if ($Id -and $p.pid -notin $Id) { continue }
        $found = $true
        New-LabObject 'System.Diagnostics.Process' ([ordered]@{ Name = $short; ProcessName = $short; Id = [int]$p.pid; SessionId = [int]$p.session; HandleCount = [int]$p.handles; WorkingSet64 = [long]$p.working_set; WS = [long]$p.working_set; StartTime = ConvertTo-LabTime $p.created; Threads = @(1..[Math]::Max(1, $p.threads)); HasExited = $false })
    }
    if (-not $found -and ($Id -or ($Name -and "$Name" -notmatch '[*?]'))) {
        $PSCmdlet.WriteError((New-LabError $(if ($Id) { 'NoProcessFoundForGivenId' } else { 'NoProcessFoundForGivenName' }) "Cannot find a process with the name `"$Name`". Verify the process name and call the cmdlet again." 'Microsoft.PowerShell.Commands.ProcessCommandException' 'ObjectNotFound' $Name))
    }
}
