# Adds the rule, or switches it on where it exists. `before` is what the undo needs.
$rule = Get-NetFirewallRule -Name $p.name -ErrorAction SilentlyContinue
$now = if ($rule) { if ([string]$rule.Enabled -eq 'True') { 'enabled' } else { 'disabled' } } else { 'absent' }
$before = Save-Before @{ rule = $now }
if ($now -eq 'absent') {
    New-NetFirewallRule -Name $p.name -DisplayName $p.display_name -Direction Inbound -Action Allow -Enabled True -Protocol UDP -LocalPort $p.port | Out-Null
} elseif ($now -eq 'disabled') {
    Enable-NetFirewallRule -Name $p.name
}
@{ before = $before; changed = ($now -ne 'enabled') }
