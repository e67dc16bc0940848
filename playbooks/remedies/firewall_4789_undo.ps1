# Puts the rule back as it was. Safe to run twice.
if ($p.before.rule -eq 'absent') {
    if (Get-NetFirewallRule -Name $p.name -ErrorAction SilentlyContinue) { Remove-NetFirewallRule -Name $p.name }
} elseif ($p.before.rule -eq 'disabled') {
    Disable-NetFirewallRule -Name $p.name
}
@{ before = $p.before; changed = ($p.before.rule -ne 'enabled') }
