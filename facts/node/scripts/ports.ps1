# Excluded ranges are shown by netsh alone; its text is localised, its digits are not: they are read elsewhere.
$listening = @(Get-NetTCPConnection -State Listen | ForEach-Object { @{ address = [string]$_.LocalAddress; port = [int]$_.LocalPort; pid = [int]$_.OwningProcess } })
$tcp = Get-NetTCPSetting -SettingName Internet | Select-Object -First 1
$udp = Get-NetUDPSetting | Select-Object -First 1
$dynamic = @{}
if ($tcp -and $tcp.DynamicPortRangeStartPort) { $dynamic.tcp = @([int]$tcp.DynamicPortRangeStartPort, [int]$tcp.DynamicPortRangeNumberOfPorts) }
if ($udp -and $udp.DynamicPortRangeStartPort) { $dynamic.udp = @([int]$udp.DynamicPortRangeStartPort, [int]$udp.DynamicPortRangeNumberOfPorts) }
$excluded = @{}
foreach ($protocol in 'tcp', 'udp') { $excluded[$protocol] = Read-Native 'netsh.exe' 'int', 'ipv4', 'show', 'excludedportrange', "protocol=$protocol" }
@{ listening = $listening; dynamic = $dynamic; excluded = $excluded }
