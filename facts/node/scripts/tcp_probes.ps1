# All connections at once, one time limit for all. What went wrong is told by socket error code, not by its sentence.
$tries = foreach ($target in @($p.targets)) {
    # Made without a family it speaks IPv4 alone.
    $family = [Net.Sockets.AddressFamily]$(if ([string]$target.host -match ':') { 'InterNetworkV6' } else { 'InterNetwork' })
    $client = New-Object System.Net.Sockets.TcpClient $family
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $task = $null
    $failure = ''
    try { $task = $client.ConnectAsync([string]$target.host, [int]$target.port) } catch { $failure = [string]$_.Exception.GetType().Name }
    @{ target = $target; client = $client; clock = $clock; task = $task; failure = $failure }
}
$all = [Diagnostics.Stopwatch]::StartNew()
# Each clock stops when its own connection has ended, whatever the others do.
$pending = @($tries | Where-Object { $_.task })
while ($pending.Count) {
    $left = [Math]::Max(0, [int]$p.timeout_ms - [int]$all.ElapsedMilliseconds)
    $first = [Threading.Tasks.Task]::WaitAny([Threading.Tasks.Task[]]@($pending | ForEach-Object { $_.task }), $left)
    if ($first -lt 0) { break }
    $pending[$first].clock.Stop()
    $pending = @($pending | Where-Object { $_.clock.IsRunning })
}
$list = foreach ($try in @($tries)) {
    $done = $false
    $code = $try.failure
    if ($try.task) {
        try { $done = $try.task.Wait(0) } catch {
            $e = $_.Exception
            while ($e.InnerException -and $null -eq $e.SocketErrorCode) { $e = $e.InnerException }
            $code = [string]$e.SocketErrorCode
            if (-not $code) { $code = [string]$e.GetType().Name }
        }
    }
    @{ purpose = [string]$try.target.purpose; host = [string]$try.target.host; port = [int]$try.target.port; open = $done; error = $code; ms = [int]$try.clock.ElapsedMilliseconds }
    $try.client.Dispose()
}
@{ probes = @($list | Where-Object { $_ }) }
