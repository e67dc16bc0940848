# What the stand-ins share. Everything is a function: the caller may copy the functions of the session into other
# runspaces, and nothing else travels with them. The node's state is a folder named by KWINNOW_LAB_NODE.

# Notes what an answer depends on, where a recorder wants to know: `field NAME`, `path C:\...`, `native PROGRAM`, `hang NAME`.
# Each runspace has a file of its own; a recorder begins a question with the note `question ID`.
function Add-LabTrace([string]$note) {
    if ($env:KWINNOW_LAB_TRACE) { [IO.File]::AppendAllText("$env:KWINNOW_LAB_TRACE.$([Management.Automation.Runspaces.Runspace]::DefaultRunspace.Id)", "$note`n") }
}

# One field; the elements of a list come one by one.
function Get-LabState([string]$field) {
    if ($env:KWINNOW_LAB_TRACE -and $field -notin 'files', 'natives') { Add-LabTrace "field $field" }
    Microsoft.PowerShell.Utility\ConvertFrom-Json -InputObject ([IO.File]::ReadAllText("$env:KWINNOW_LAB_NODE/state/$field.json")) -AsHashtable -DateKind String
}

# One field as it is: a list stays a list.
function Read-LabState([string]$field) {
    Add-LabTrace "field $field"
    $value = Microsoft.PowerShell.Utility\ConvertFrom-Json -InputObject ([IO.File]::ReadAllText("$env:KWINNOW_LAB_NODE/state/$field.json")) -AsHashtable -NoEnumerate -DateKind String
    , $value
}

function Set-LabState([string]$field, $value) {
    $text = Microsoft.PowerShell.Utility\ConvertTo-Json -InputObject $value -Depth 40 -Compress
    $path = "$env:KWINNOW_LAB_NODE/state/$field.json"
    [IO.File]::WriteAllText("$path.new", $text)
    [IO.File]::Move("$path.new", $path, $true)
}

# Changes one field of the state while no other process can: the block gets the value and changes it in place or
# returns the new one.
function Edit-LabState([string]$labField, [scriptblock]$labChange) {
    $labLock = $null
    while ($null -eq $labLock) {
        try { $labLock = [IO.File]::Open("$env:KWINNOW_LAB_NODE/lock", 'OpenOrCreate', 'ReadWrite', 'None') }
        catch [IO.IOException] { [Threading.Thread]::Sleep(5) }
    }
    try {
        $labValue = Read-LabState $labField
        $labNew = & $labChange $labValue
        if ($null -eq $labNew) { $labNew = $labValue }
        Set-LabState $labField $labNew
    } finally { $labLock.Dispose() }
}

# A command that the lab has made hang never comes back.
function Wait-LabHang([string]$name) {
    Add-LabTrace "hang $($name.ToLowerInvariant())"
    if ([IO.File]::Exists("$env:KWINNOW_LAB_NODE/hung/$($name.ToLowerInvariant())")) { [Threading.Thread]::Sleep(-1) }
}

# Seconds relative to the lab's start as the local time that a CIM date has.
function ConvertTo-LabTime([double]$seconds) {
    $at = [double]::Parse($env:KWINNOW_LAB_EPOCH, [cultureinfo]::InvariantCulture) + $seconds
    [DateTime]::UnixEpoch.AddSeconds($at).ToLocalTime()
}

# An object as the CIM cmdlets give it. Properties of the instance itself come last, as in the real serialised form:
# https://learn.microsoft.com/dotnet/api/microsoft.management.infrastructure.ciminstance
function New-LabCim([string]$class, [Collections.IDictionary]$values, [string]$namespace = 'root/cimv2') {
    $short = $class.Split('/')[-1]
    $values.PSComputerName = $null
    $object = [pscustomobject]$values
    $system = [pscustomobject][ordered]@{ Namespace = $namespace; ServerName = $env:COMPUTERNAME; ClassName = $short; Path = $null }
    # Made when somebody looks: there are hundreds of objects, and only a careless script looks.
    $shape = [psscriptproperty]::new('CimClass', {
            [pscustomobject][ordered]@{ CimSuperClassName = $null; CimClassName = $this.CimSystemProperties.ClassName; CimClassProperties = @($this.PSObject.Properties | Where-Object MemberType -EQ NoteProperty | ForEach-Object Name); CimClassQualifiers = @(); CimClassMethods = @(); CimSystemProperties = $this.CimSystemProperties }
        })
    $list = [psscriptproperty]::new('CimInstanceProperties', {
            , @(foreach ($p in $this.PSObject.Properties) { if ($p.MemberType -eq 'NoteProperty' -and $p.Name -notin 'PSComputerName', 'CimSystemProperties') { [pscustomobject][ordered]@{ Name = $p.Name; Value = $p.Value; CimType = 0; Flags = 'Property, ReadOnly, NotModified'; IsValueModified = $false } } })
        })
    $object.PSObject.Properties.Add($shape)
    $object.PSObject.Properties.Add($list)
    $object.PSObject.Properties.Add([psnoteproperty]::new('CimSystemProperties', $system))
    $object.PSObject.TypeNames.Insert(0, 'Microsoft.Management.Infrastructure.CimInstance')
    $object.PSObject.TypeNames.Insert(0, "Microsoft.Management.Infrastructure.CimInstance#$namespace/$short")
    $object
}

# A plain object that says it is of a type of Windows.
function New-LabObject([string]$type, [Collections.IDictionary]$values) {
    $object = [pscustomobject]$values
    $object.PSObject.TypeNames.Insert(0, $type)
    $object
}

function New-LabError([string]$id, [string]$message, [string]$type = 'System.Exception', [string]$category = 'NotSpecified', $target = $null) {
    $exception = Microsoft.PowerShell.Utility\New-Object -TypeName $type -ArgumentList $message
    [Management.Automation.ErrorRecord]::new($exception, $id, $category, $target)
}

# Windows' own sentence in the language of the machine.
function Get-LabSentence([Collections.IDictionary]$sentences) {
    $culture = (Get-LabState os).ui_culture
    if ($sentences.Contains($culture)) { $sentences[$culture] } else { $sentences['en-US'] }
}

# The enumerations of Windows' modules, under their real names and with their real numbers; made once a process.
# Numbers: https://learn.microsoft.com/previous-versions/windows/desktop/wfascimprov/msft-netfirewallrule,
# .../msft-netfirewallprofile, https://learn.microsoft.com/dotnet/api/system.serviceprocess.servicecontrollerstatus,
# https://learn.microsoft.com/previous-versions/windows/desktop/nettcpipprov/msft-netipaddress
function Initialize-LabEnums {
    if ('Microsoft.PowerShell.Cmdletization.GeneratedTypes.NetSecurity.Enabled' -as [type]) { return }
    $security = 'Microsoft.PowerShell.Cmdletization.GeneratedTypes.NetSecurity'
    $ip = 'Microsoft.PowerShell.Cmdletization.GeneratedTypes'
    $enums = @{
        "$security.Enabled" = @('uint16', 'True', 1, 'False', 2)
        "$security.GpoBoolean" = @('uint16', 'False', 0, 'True', 1, 'NotConfigured', 2)
        "$security.Direction" = @('uint16', 'Inbound', 1, 'Outbound', 2)
        "$security.Action" = @('uint16', 'NotConfigured', 0, 'Allow', 2, 'Block', 4)
        "$security.Profile" = @('uint16', 'Any', 0, 'Domain', 1, 'Private', 2, 'Public', 4)
        "$security.PolicyStoreType" = @('uint16', 'None', 0, 'Local', 1, 'GroupPolicy', 2, 'Dynamic', 3, 'Generated', 4, 'Hardcoded', 5)
        "$ip.NetIPAddress.AddressFamily" = @('uint16', 'IPv4', 2, 'IPv6', 23)
        "$ip.NetIPAddress.AddressState" = @('uint16', 'Invalid', 0, 'Tentative', 1, 'Duplicate', 2, 'Deprecated', 3, 'Preferred', 4)
        "$ip.NetIPAddress.PrefixOrigin" = @('uint16', 'Other', 0, 'Manual', 1, 'WellKnown', 2, 'Dhcp', 3, 'RouterAdvertisement', 4)
        "$ip.NetIPAddress.SuffixOrigin" = @('uint16', 'Other', 0, 'Manual', 1, 'WellKnown', 2, 'Dhcp', 3, 'Link', 4, 'Random', 5)
        "$ip.NetIPAddress.Store" = @('uint16', 'PersistentStore', 0, 'ActiveStore', 1)
        "$ip.NetIPAddress.Type" = @('uint16', 'Unicast', 1, 'Anycast', 2)
        "$ip.NetIPInterface.Forwarding" = @('uint16', 'Disabled', 0, 'Enabled', 1)
        "$ip.NetIPInterface.Dhcp" = @('uint16', 'Disabled', 0, 'Enabled', 1)
        "$ip.NetIPInterface.ConnectionState" = @('uint16', 'Disconnected', 0, 'Connected', 1)
        "$ip.NetTCPConnection.State" = @('uint16', 'Closed', 1, 'Listen', 2, 'SynSent', 3, 'SynReceived', 4, 'Established', 5, 'FinWait1', 6, 'FinWait2', 7, 'CloseWait', 8, 'Closing', 9, 'LastAck', 10, 'TimeWait', 11, 'DeleteTCB', 12, 'Bound', 100)
        "$ip.NetConnectionProfile.NetworkCategory" = @('uint32', 'Public', 0, 'Private', 1, 'DomainAuthenticated', 2)
        "$ip.NetConnectionProfile.IPv4Connectivity" = @('uint32', 'Disconnected', 0, 'NoTraffic', 1, 'Subnet', 2, 'LocalNetwork', 3, 'Internet', 4)
        'System.ServiceProcess.ServiceControllerStatus' = @('int32', 'Stopped', 1, 'StartPending', 2, 'StopPending', 3, 'Running', 4, 'ContinuePending', 5, 'PausePending', 6, 'Paused', 7)
        'System.ServiceProcess.ServiceStartMode' = @('int32', 'Boot', 0, 'System', 1, 'Automatic', 2, 'Manual', 3, 'Disabled', 4)
        'Microsoft.Windows.ServerManager.Commands.InstallState' = @('int32', 'Available', 0, 'Installed', 1, 'UninstallPending', 2, 'InstallPending', 3, 'Removed', 5)
    }
    $assembly = [Reflection.Emit.AssemblyBuilder]::DefineDynamicAssembly([Reflection.AssemblyName]::new('Lab.Enums'), 'Run')
    $module = $assembly.DefineDynamicModule('Lab.Enums')
    foreach ($name in $enums.Keys) {
        if ($name -as [type]) { continue }
        $base = [type]$enums[$name][0]
        $builder = $module.DefineEnum($name, 'Public', $base)
        for ($i = 1; $i -lt $enums[$name].Count; $i += 2) {
            [void]$builder.DefineLiteral($enums[$name][$i], ($enums[$name][$i + 1] -as $base))
        }
        [void]$builder.CreateType()
    }
    # Exceptions of Windows' own assemblies, so that an error tells its real type.
    foreach ($name in 'Microsoft.PowerShell.Cmdletization.Cim.CimJobException', 'Microsoft.Management.Infrastructure.CimException', 'Microsoft.PowerShell.Commands.ServiceCommandException', 'Microsoft.PowerShell.Commands.ProcessCommandException') {
        if ($name -as [type]) { continue }
        $builder = $module.DefineType($name, 'Public, Class', [Exception])
        $code = $builder.DefineConstructor('Public', 'Standard', [type[]]@([string])).GetILGenerator()
        $code.Emit([Reflection.Emit.OpCodes]::Ldarg_0)
        $code.Emit([Reflection.Emit.OpCodes]::Ldarg_1)
        $code.Emit([Reflection.Emit.OpCodes]::Call, [Exception].GetConstructor([type[]]@([string])))
        $code.Emit([Reflection.Emit.OpCodes]::Ret)
        [void]$builder.CreateType()
    }
}

# A value of one of those enumerations, by its short name below the generated types.
function ConvertTo-LabEnum([string]$name, [string]$value) {
    $type = "Microsoft.PowerShell.Cmdletization.GeneratedTypes.$name" -as [type]
    if (-not $type) { $type = $name -as [type] }
    [Enum]::Parse($type, $value, $true)
}
