# All connections at once, one time limit for all. What went wrong is told by socket error code, not by its sentence.
$tries = foreach ($target in @($p.targets)) {
    $client = New-Object System.Net.Sockets.TcpClient
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $task = $null
    $failure = ''
    try { $task = $client.ConnectAsync([string]$target.host, [int]$target.port) } catch { $failure = [string]$_.Exception.GetType().Name }
    @{ target = $target; client = $client; clock = $clock; task = $task; failure = $failure }
}
$all = [Diagnostics.Stopwatch]::StartNew()
$list = foreach ($try in @($tries)) {
    $done = $false
    $code = $try.failure
    if ($try.task) {
        $left = [Math]::Max(0, [int]$p.timeout_ms - [int]$all.ElapsedMilliseconds)
        try { $done = $try.task.Wait($left) } catch {
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
