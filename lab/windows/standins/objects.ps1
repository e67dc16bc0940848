# New-Object: a TCP client meets what the state says of the address; what has to do with access rights is in acl.ps1;
# every other type is made for real.
# https://learn.microsoft.com/dotnet/api/system.net.sockets.tcpclient.connectasync ; 10061 and 10060:
# https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2

function Get-LabTcpFate([string]$server, [int]$port) {
    $known = Get-LabState tcp
    $name = "${server}:$port"
    if ($known.Contains($name)) { return $known[$name] }
    $flows = Get-LabState flows
    if ($flows.Contains($name)) { return $flows[$name] }
    $own = @('127.0.0.1', 'localhost', '::1') + @(Get-LabState adapters | ForEach-Object { foreach ($pair in $_.addresses) { $pair[0] } })
    if ($server -in $own) { if (@(Get-LabState listening | Where-Object { $_[1] -eq $port }).Count) { return 'open' } else { return 'refused' } }
    $pattern = $known.Keys | Where-Object { $name -like $_ } | Select-Object -First 1
    if ($pattern) { $known[$pattern] } else { 'timeout' }
}

function New-LabTcpClient {
    $client = [pscustomobject][ordered]@{ PSTypeName = 'System.Net.Sockets.TcpClient'; Connected = $false; ReceiveTimeout = 0; SendTimeout = 0; NoDelay = $false }
    $client.PSObject.Methods.Add([psscriptmethod]::new('ConnectAsync', {
                param($server, $port)
                switch (Get-LabTcpFate $server $port) {
                    'open' { $this.Connected = $true; [Threading.Tasks.Task]::CompletedTask }
                    'refused' { [Threading.Tasks.Task]::FromException([Net.Sockets.SocketException]::new(10061)) }
                    'unreachable' { [Threading.Tasks.Task]::FromException([Net.Sockets.SocketException]::new(10065)) }
                    'unknown-host' { [Threading.Tasks.Task]::FromException([Net.Sockets.SocketException]::new(11001)) }
                    default { [Threading.Tasks.TaskCompletionSource[bool]]::new().Task }
                }
            }))
    $client.PSObject.Methods.Add([psscriptmethod]::new('Connect', {
                param($server, $port)
                $task = $this.ConnectAsync($server, $port)
                # Windows gives up a connection that nobody answers after 21 seconds.
                if ($task.IsFaulted) { throw $task.Exception.InnerException }
                if (-not $task.Wait(21000)) { throw [Net.Sockets.SocketException]::new(10060) }
            }))
    $client.PSObject.Methods.Add([psscriptmethod]::new('BeginConnect', { param($server, $port, $callback, $state) $this.ConnectAsync($server, $port) }))
    $client.PSObject.Methods.Add([psscriptmethod]::new('EndConnect', { param($task) if ($task.IsFaulted) { throw $task.Exception.InnerException }; [void]$task.Wait(21000) }))
    $client.PSObject.Methods.Add([psscriptmethod]::new('Close', { $this.Connected = $false }))
    $client.PSObject.Methods.Add([psscriptmethod]::new('Dispose', { $this.Connected = $false }))
    $client
}

function New-Object {
    [CmdletBinding(DefaultParameterSetName = 'Net')]
    param([Parameter(ParameterSetName = 'Net', Mandatory, Position = 0)][string]$TypeName, [Parameter(ParameterSetName = 'Com', Mandatory, Position = 0)][string]$ComObject, [Parameter(Position = 1)][Alias('Args')][object[]]$ArgumentList, [Collections.IDictionary]$Property)
    if ($ComObject) {
        throw (New-LabError 'NoCOMClassIdentified,Microsoft.PowerShell.Commands.NewObjectCommand' "Retrieving the COM class factory for component with CLSID {00000000-0000-0000-0000-000000000000} failed due to the following error: 80040154 Class not registered." 'System.Runtime.InteropServices.COMException' 'ResourceUnavailable' $ComObject)
    }
    # Core types: https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_language_modes?view=powershell-5.1
    if ($env:KWINNOW_LAB_LANGUAGE -ne 'FullLanguage' -and $TypeName -notmatch '^(System\.)?(Management\.Automation\.)?(PSObject|PSCustomObject|Hashtable|Collections\.Hashtable|DateTime|TimeSpan|String|Int32|Int64|Guid|Version|Uri|Object|Array)$') {
        throw (New-LabError 'CannotCreateTypeConstrainedLanguage,Microsoft.PowerShell.Commands.NewObjectCommand' 'Cannot create type. Only core types are supported in this language mode.' 'System.Management.Automation.PSNotSupportedException' 'PermissionDenied' $TypeName)
    }
    if ($TypeName -match '^(System\.)?Net\.Sockets\.TcpClient$') {
        $client = New-LabTcpClient
        if ($ArgumentList.Count -eq 2) { $client.Connect($ArgumentList[0], $ArgumentList[1]) }
        return $client
    }
    switch -regex ($TypeName) {
        '^(System\.)?Security\.AccessControl\.(File|Directory)Security$' { return New-LabSecurity $TypeName }
        '^(System\.)?IO\.DirectoryInfo$' { return New-LabDirectoryInfo $ArgumentList[0] }
        '^(System\.)?IO\.FileStream$' { if ($ArgumentList.Count -eq 7) { return New-LabSecuredFile $ArgumentList } }
    }
    Microsoft.PowerShell.Utility\New-Object @PSBoundParameters
}
