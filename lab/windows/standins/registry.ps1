# The registry: what the machine's other fields imply (version, services, environment, names), and over it the keys
# that the state names. Value names and types:
# https://learn.microsoft.com/troubleshoot/windows-server/setup-upgrade-and-drivers/identify-windows-version (CurrentVersion),
# https://learn.microsoft.com/windows-hardware/drivers/install/hklm-system-currentcontrolset-services-registry-tree (Start, ImagePath),
# https://nssm.cc/usage (Parameters)

function ConvertTo-LabRegistryPath([string]$path) {
    $path = $path -replace '^(Microsoft\.PowerShell\.Core\\)?Registry::', '' -replace '^HKEY_LOCAL_MACHINE(?=\\|$)', 'HKLM:' -replace '^HKEY_CURRENT_USER(?=\\|$)', 'HKCU:'
    $path = $path.Replace('/', '\').TrimEnd('\')
    if ($path -match '^HK(LM|CU)$') { $path += ':' }
    $path
}

# Every key: path -> table of values.
function Get-LabRegistry {
    $os = Get-LabState os
    $services = Get-LabState services
    $keys = @{}
    $version = [ordered]@{
        SystemRoot = 'C:\Windows'; ProductName = $os.product_name; EditionID = $os.edition_id; InstallationType = $os.installation_type
        CurrentBuild = [string]$os.build; CurrentBuildNumber = [string]$os.build; UBR = [int]$os.ubr; CurrentVersion = '6.3'
        CurrentMajorVersionNumber = 10; CurrentMinorVersionNumber = 0; BuildLabEx = "$($os.build).1.amd64fre.rs5_release.180914-1434"
        RegisteredOwner = 'Windows User'
    }
    if ($os.release_id) { $version.ReleaseId = $os.release_id }
    if ($os.display_version) { $version.DisplayVersion = $os.display_version }
    $keys['HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'] = $version
    $control = 'HKLM:\SYSTEM\CurrentControlSet\Control'
    $keys["$control\Session Manager\Environment"] = Get-LabState environment
    $keys["$control\ComputerName\ComputerName"] = [ordered]@{ ComputerName = $os.hostname.ToUpperInvariant() }
    $keys["$control\ComputerName\ActiveComputerName"] = [ordered]@{ ComputerName = $os.hostname.ToUpperInvariant() }
    $keys["$control\TimeZoneInformation"] = [ordered]@{ TimeZoneKeyName = $os.time_zone }
    $keys["$control\Nls\CodePage"] = [ordered]@{ ACP = '1252'; OEMCP = [string]$os.oem_code_page }
    $keys["$control\Session Manager"] = [ordered]@{ ProcessorControl = 2 }
    $root = 'HKLM:\SYSTEM\CurrentControlSet\Services'
    $suffixes = Get-LabState dns_suffixes
    $domain = if ($os.part_of_domain) { $os.domain } else { '' }
    $keys["$root\Tcpip\Parameters"] = [ordered]@{ Hostname = $os.hostname; 'NV Hostname' = $os.hostname; Domain = $domain; 'NV Domain' = $domain; SearchList = [string]::Join(',', @($suffixes)) }
    $start = @{ Auto = 2; Manual = 3; Disabled = 4 }
    foreach ($name in $services.Keys) {
        $service = $services[$name]
        $values = [ordered]@{ Type = 16; Start = $start[$service.start_mode]; ErrorControl = 1; ImagePath = $service.path; DisplayName = $(if ($service.display_name) { $service.display_name } else { $name }); ObjectName = $service.account }
        if ($service.depends_on.Count) { $values.DependOnService = [string[]]$service.depends_on }
        $keys["$root\$name"] = $values
        if ($service.nssm.Count) { $keys["$root\$name\Parameters"] = $service.nssm }
    }
    # Rules as text: MS-GPFAS 2.2.2.19, https://learn.microsoft.com/openspecs/windows_protocols/ms-gpfas
    foreach ($rule in (Get-LabState firewall).rules) {
        $place = if ($rule.store -eq 'GroupPolicy') { 'HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules' } else { "$root\SharedAccess\Parameters\FirewallPolicy\FirewallRules" }
        if (-not $keys.ContainsKey($place)) { $keys[$place] = [ordered]@{} }
        $parts = @('v2.28', "Action=$($rule.action)", "Active=$($rule.enabled.ToString().ToUpperInvariant())", "Dir=$(if ($rule.direction -eq 'Inbound') { 'In' } else { 'Out' })")
        if ($rule.protocol -ne 'Any') { $parts += "Protocol=$(@{ TCP = 6; UDP = 17; ICMPv4 = 1; ICMPv6 = 58 }[[string]$rule.protocol])" }
        if ($rule.profile -ne 'Any') { $parts += @([string]$rule.profile -split ',\s*' | ForEach-Object { "Profile=$_" }) }
        foreach ($port in $rule.local_port) { if ($port -ne 'Any') { $parts += "LPort=$port" } }
        if ($rule.program -ne 'Any') { $parts += "App=$($rule.program)" }
        $keys[$place][$rule.name] = [string]::Join('|', $parts + "Name=$($rule.display_name)") + '|'
    }
    $named = Get-LabState registry
    foreach ($path in $named.Keys) {
        $full = ConvertTo-LabRegistryPath $path
        if (-not $keys.ContainsKey($full)) { $keys[$full] = [ordered]@{} }
        foreach ($value in $named[$path].Keys) { $keys[$full][$value] = $named[$path][$value] }
    }
    $keys
}

# The values of one key; $null where there is no such key. A key above another exists without values.
function Get-LabRegistryKey([string]$path) {
    $keys = Get-LabRegistry
    $path = ConvertTo-LabRegistryPath $path
    if ($keys.ContainsKey($path)) { return $keys[$path] }
    foreach ($key in $keys.Keys) { if ($key.StartsWith("$path\", 'OrdinalIgnoreCase')) { return [ordered]@{} } }
    $null
}

# The values with the types that the registry provider gives: REG_MULTI_SZ as string[], REG_DWORD as int.
function ConvertTo-LabRegistryValue($value) {
    if ($value -is [long]) { if ($value -le [int]::MaxValue -and $value -ge [int]::MinValue) { return [int]$value } else { return $value } }
    if ($value -is [bool]) { return [int]$value }
    if ($value -is [array]) {
        if (@($value | Where-Object { $_ -isnot [string] }).Count -eq 0) { return , [string[]]$value }
        return , [byte[]]$value
    }
    $value
}

# What Get-Item and Get-ChildItem give of a key: https://learn.microsoft.com/dotnet/api/microsoft.win32.registrykey
function New-LabRegistryKey([string]$path) {
    $values = Get-LabRegistryKey $path
    $full = $path -replace '^HKLM:', 'HKEY_LOCAL_MACHINE' -replace '^HKCU:', 'HKEY_CURRENT_USER'
    $key = [pscustomobject][ordered]@{
        Name = $full; PSChildName = $full.Split('\')[-1]; Property = [string[]]@($values.Keys); ValueCount = $values.Count
        PSPath = "Microsoft.PowerShell.Core\Registry::$full"; PSParentPath = "Microsoft.PowerShell.Core\Registry::$($full.Substring(0, [Math]::Max(0, $full.LastIndexOf('\'))))"; PSProvider = 'Microsoft.PowerShell.Core\Registry'; PSIsContainer = $true; LabPath = $path
    }
    $key.PSObject.TypeNames.Insert(0, 'Microsoft.Win32.RegistryKey')
    $key.PSObject.Methods.Add([psscriptmethod]::new('GetValueNames', { [string[]]@((Get-LabRegistryKey $this.LabPath).Keys) }))
    $key.PSObject.Methods.Add([psscriptmethod]::new('GetValue', { param($name, $default) $v = Get-LabRegistryKey $this.LabPath; if ($v.Contains($name)) { ConvertTo-LabRegistryValue $v[$name] } else { $default } }))
    $key.PSObject.Methods.Add([psscriptmethod]::new('GetSubKeyNames', { [string[]]@(Get-LabSubkeys $this.LabPath | ForEach-Object { $_.Split('\')[-1] }) }))
    $key
}

function Get-LabSubkeys([string]$path) {
    $seen = @{}
    foreach ($key in (Get-LabRegistry).Keys) {
        if ($key.StartsWith("$path\", 'OrdinalIgnoreCase')) { $seen["$path\$($key.Substring($path.Length + 1).Split('\')[0])"] = $true }
    }
    $seen.Keys | Sort-Object
}

# Writes a value, and what it means: the start mode of a service, the machine's environment.
function Set-LabRegistryValue([string]$path, [string]$name, $value) {
    $path = ConvertTo-LabRegistryPath $path
    if ($path -match '^HKLM:\\SYSTEM\\CurrentControlSet\\Services\\([^\\]+)$') {
        $service = $Matches[1]
        $field = @{ Start = 'start_mode'; ImagePath = 'path'; ObjectName = 'account'; DependOnService = 'depends_on' }[$name]
        if ($field -and (Get-LabState services).Contains($service)) {
            if ($name -eq 'Start') { $value = @{ 2 = 'Auto'; 3 = 'Manual'; 4 = 'Disabled' }[[int]$value] }
            Edit-LabState services { param($s) $s[$service][$field] = $value }
            return
        }
    }
    if ($path -eq 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment') { Edit-LabState environment { param($e) $e[$name] = $value }; return }
    if ($path -eq 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' -and $name -eq 'SearchList') {
        Edit-LabState dns_suffixes { param($d) , @([string]$value -split ',' | Where-Object { $_ }) }; return
    }
    Edit-LabState registry {
        param($r)
        $key = $r.Keys | Where-Object { (ConvertTo-LabRegistryPath $_) -eq $path } | Select-Object -First 1
        if (-not $key) { $key = $path; $r[$key] = @{} }
        if ($name) { $r[$key][$name] = $value }
    }
}

function Remove-LabRegistry([string]$path, [string]$name, [bool]$whole) {
    $path = ConvertTo-LabRegistryPath $path
    Edit-LabState registry {
        param($r)
        foreach ($key in @($r.Keys)) {
            $full = ConvertTo-LabRegistryPath $key
            if ($whole -and ($full -eq $path -or $full.StartsWith("$path\", 'OrdinalIgnoreCase'))) { $r.Remove($key) }
            elseif (-not $whole -and $full -eq $path) { $r[$key].Remove($name) }
        }
    }
}
