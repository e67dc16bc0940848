# Sets the start mode first: a disabled service cannot be started. `before` is what the undo needs.
$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='$($p.name)'"
if (-not $service) { throw "There is no service $($p.name)." }
$before = Save-Before @{ state = [string]$service.State; start_mode = [string]$service.StartMode }
$wanted = @{ Automatic = 'Auto'; Manual = 'Manual' }[[string]$p.start_mode]
$otherMode = [string]$service.StartMode -ne $wanted
$stopped = [string]$service.State -ne 'Running'
if ($otherMode) { Set-Service -Name $p.name -StartupType $p.start_mode }
if ($stopped) { Start-Service -Name $p.name }
$after = Get-CimInstance -ClassName Win32_Service -Filter "Name='$($p.name)'"
@{ before = $before; after = @{ state = [string]$after.State; start_mode = [string]$after.StartMode }; changed = ($otherMode -or $stopped) }
