$key = Read-Registry 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters'
@{ type = [string]$key.Type; ntp_server = [string]$key.NtpServer }
