# What a group policy sets wins over what the service keeps.
$key = Read-Registry 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters'
$policy = Read-Registry 'HKLM:\SOFTWARE\Policies\Microsoft\W32Time\Parameters'
$type = [string]$policy.Type
if (-not $type) { $type = [string]$key.Type }
$server = [string]$policy.NtpServer
if (-not $server) { $server = [string]$key.NtpServer }
@{ type = $type; ntp_server = $server }
