# The last three days. An empty log, a log or a provider that Windows does not have is an empty answer; the reasons are
# told by error id, the sentences are localised.
$since = (Get-Date).AddDays(-3)
$queries = @(
    @{ LogName = 'System'; ProviderName = 'Service Control Manager'; Id = 7000, 7001, 7009, 7011, 7023, 7024, 7031, 7034; StartTime = $since },
    @{ LogName = 'System'; ProviderName = 'Microsoft-Windows-Kernel-Power'; Id = 41; StartTime = $since },
    @{ LogName = 'System'; ProviderName = 'EventLog'; Id = 6008; StartTime = $since },
    @{ LogName = 'Microsoft-Windows-Host-Network-Service-Admin'; Level = 1, 2, 3; StartTime = $since },
    @{ LogName = 'Microsoft-Windows-Hyper-V-Compute-Admin'; Level = 1, 2, 3; StartTime = $since }
)
$list = foreach ($query in $queries) {
    try { $found = @(Get-WinEvent -FilterHashtable $query -MaxEvents 50) } catch {
        if ([string]$_.FullyQualifiedErrorId -notmatch '^(NoMatching(Events|Logs|Providers)Found|LogsAndProvidersDontOverlap)') { throw }
        $found = @()
    }
    foreach ($e in $found) {
        # The Service Control Manager puts the service's key name, which no language changes, behind the sentence's
        # values: bytes of UTF-16, with a zero at the end, and with "/4" where a state follows.
        $service = ''
        foreach ($p in @($e.Properties)) {
            if ($e.ProviderName -eq 'Service Control Manager' -and $p.Value -is [byte[]]) { $service = [Text.Encoding]::Unicode.GetString($p.Value).Split([char]0)[0] -replace '/\d+$' }
        }
        if ($service -notmatch '^[\x20-\x7e]{1,256}$') { $service = '' }
        $values = @($e.Properties | Where-Object { $null -ne $_.Value -and $_.Value -isnot [byte[]] } | ForEach-Object { $v = Hide-Secrets ([string]$_.Value); $v.Substring(0, [Math]::Min(300, $v.Length)) })
        $text = Hide-Secrets ([string]$e.Message)
        @{
            log = [string]$e.LogName; provider = [string]$e.ProviderName; id = [int]$e.Id; level = [int]$e.Level; at = (Format-Utc $e.TimeCreated)
            properties = $values; service = (Hide-Secrets $service); message = $text.Substring(0, [Math]::Min(500, $text.Length))
        }
    }
}
@{ events = @($list | Where-Object { $_ }) }
