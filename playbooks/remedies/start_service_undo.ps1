# Puts state and start mode back as they were. Safe to run twice.
$mode = @{ Auto = 'Automatic'; Manual = 'Manual'; Disabled = 'Disabled' }[[string]$p.before.start_mode]
if ($p.before.state -ne 'Running') { Stop-Service -Name $p.name -Force }
if ($mode) { Set-Service -Name $p.name -StartupType $mode }
@{ before = $p.before; changed = $true }
