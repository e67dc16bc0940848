# Adds the rule, or switches it on where it exists. `before` is what the undo needs.
$rule = Get-NetFirewallRule -Name $p.name -ErrorAction SilentlyContinue
$before = if ($rule) { if ([string]$rule.Enabled -eq 'True') { 'enabled' } else { 'disabled' } } else { 'absent' }
if ($before -eq 'absent') {
    New-NetFirewallRule -Name $p.name -DisplayName $p.display_name -Direction Inbound -Action Allow -Enabled True -Protocol UDP -LocalPort $p.port | Out-Null
} elseif ($before -eq 'disabled') {
    Enable-NetFirewallRule -Name $p.name
}
@{ before = @{ rule = $before }; changed = ($before -ne 'enabled') }
