# Get-WinEvent. Record: https://learn.microsoft.com/dotnet/api/system.diagnostics.eventing.reader.eventlogrecord ;
# "no match" is an error: https://learn.microsoft.com/powershell/module/microsoft.powershell.diagnostics/get-winevent ;
# sentences of the Service Control Manager (what it adds as bytes: https://pastebin.com/wD7HXLf4):
# https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2008-r2-and-2008/dd349353(v=ws.10)

function Get-LabEventSentence($record, [string]$culture) {
    $german = @{
        7000 = 'Der Dienst "{0}" wurde aufgrund folgenden Fehlers nicht gestartet: {1}'; 7009 = 'Das Zeitlimit ({0} ms) wurde beim Verbindungsversuch mit dem Dienst {1} erreicht.'
        7023 = 'Der Dienst "{0}" wurde mit folgendem Fehler beendet: {1}'; 7024 = 'Der Dienst "{0}" wurde mit folgendem dienstspezifischem Fehler beendet: {1}'
        7031 = 'Der Dienst "{0}" wurde unerwartet beendet. Dies ist bereits {1} Mal vorgekommen. Folgende Korrekturmaßnahmen werden in {2} Millisekunden durchgeführt: {4}.'
        7034 = 'Dienst "{0}" wurde unerwartet beendet. Dies ist bereits {1} Mal passiert.'; 7036 = 'Dienst "{0}" befindet sich jetzt im Status "{1}".'; 7040 = 'Der Starttyp des Diensts "{0}" wurde von "{1}" in "{2}" geändert.'
        41 = 'Das System wurde neu gestartet, ohne dass es zuvor ordnungsgemäß heruntergefahren wurde.'; 6008 = 'Das System wurde zuvor am {1} um {0} unerwartet heruntergefahren.'
    }
    $chinese = @{
        7000 = '由于下列错误，{0} 服务启动失败: {1}'; 7009 = '等待 {1} 服务的连接超时({0} 毫秒)。'; 7023 = '{0} 服务因下列错误而停止: {1}'; 7024 = '{0} 服务因下列服务特定错误而停止: {1}'
        7031 = '{0} 服务意外地终止，这种情况已经出现了 {1} 次。以下的修正操作将在 {2} 毫秒内运行: {4}。'; 7034 = '{0} 服务意外地终止，这种情况已发生了 {1} 次。'; 7036 = '{0} 服务处于 {1} 状态。'; 7040 = '{0} 服务的启动类型从 {1} 更改为 {2}。'
        41 = '系统已在未先正常关机的情况下重新启动。'; 6008 = '上一次系统的 {0} 在 {1} 上的关闭是意外的。'
    }
    $own = $record.provider -in 'Service Control Manager', 'Microsoft-Windows-Kernel-Power', 'EventLog'
    $table = @{ 'de-DE' = $german; 'zh-CN' = $chinese }[$culture]
    if (-not $own -or -not $table -or -not $table.ContainsKey([int]$record.id)) { return $record.message }
    $values = @($record.properties) + @('', '', '', '', '')
    [string]::Format($table[[int]$record.id], [object[]]$values)
}

function Get-WinEvent {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$LogName, [Collections.IDictionary]$FilterHashtable, [string[]]$ListLog, [string[]]$ProviderName, [long]$MaxEvents = [long]::MaxValue, [switch]$Oldest, [switch]$Force)
    Wait-LabHang Get-WinEvent
    $events = @(Get-LabState events)
    $logs = @('System', 'Application', 'Security', 'Setup', 'Microsoft-Windows-Host-Network-Service-Admin', 'Microsoft-Windows-Host-Network-Service-Operational', 'Microsoft-Windows-Hyper-V-Compute-Admin', 'Microsoft-Windows-Hyper-V-Compute-Operational', 'Microsoft-Windows-DNS-Client/Operational') + @($events | ForEach-Object { $_.log }) | Select-Object -Unique
    if ($ListLog) {
        foreach ($pattern in $ListLog) {
            $found = @($logs | Where-Object { $_ -like $pattern })
            if ($found.Count -eq 0) { $PSCmdlet.WriteError((New-LabError 'NoMatchingLogsFound,Microsoft.PowerShell.Commands.GetWinEventCommand' "There is not an event log on the localhost computer that matches `"$pattern`"." 'System.Exception' 'ObjectNotFound' $pattern)) }
            foreach ($log in $found) {
                [pscustomobject][ordered]@{ PSTypeName = 'System.Diagnostics.Eventing.Reader.EventLogConfiguration'; LogName = $log; LogType = 'Administrative'; IsEnabled = $log -notlike '*DNS-Client*'; IsClassicLog = $log -in 'System', 'Application', 'Security'; LogMode = 'Circular'; MaximumSizeInBytes = [long]20971520; RecordCount = [long]@($events | Where-Object { $_.log -eq $log }).Count }
            }
        }
        return
    }
    $want = @{}
    if ($FilterHashtable) { foreach ($key in $FilterHashtable.Keys) { $want[$key] = $FilterHashtable[$key] } }
    if ($LogName) { $want.LogName = $LogName }
    if ($ProviderName) { $want.ProviderName = $ProviderName }
    foreach ($log in @($want.LogName)) {
        if ($log -and -not @($logs | Where-Object { $_ -like $log }).Count) { $PSCmdlet.WriteError((New-LabError 'NoMatchingLogsFound,Microsoft.PowerShell.Commands.GetWinEventCommand' "There is not an event log on the localhost computer that matches `"$log`"." 'System.Exception' 'ObjectNotFound' $log)); return }
    }
    $os = Get-LabState os
    $levels = @{
        'en-US' = @('Information', 'Critical', 'Error', 'Warning', 'Information', 'Verbose'); 'de-DE' = @('Informationen', 'Kritisch', 'Fehler', 'Warnung', 'Informationen', 'Ausführlich'); 'zh-CN' = @('信息', '关键', '错误', '警告', '信息', '详细')
    }[$os.ui_culture]
    $record = 1000
    $found = @(foreach ($e in $events | Sort-Object { $_.time } -Descending:(-not $Oldest)) {
            $at = ConvertTo-LabTime $e.time
            if ($want.LogName -and -not @($want.LogName | Where-Object { $e.log -like $_ }).Count) { continue }
            if ($want.ProviderName -and -not @($want.ProviderName | Where-Object { $e.provider -like $_ }).Count) { continue }
            if ($want.ContainsKey('Id') -and $e.id -notin @($want.Id)) { continue }
            if ($want.ContainsKey('Level') -and $e.level -notin @($want.Level)) { continue }
            if ($want.StartTime -and $at -lt [DateTime]$want.StartTime) { continue }
            if ($want.EndTime -and $at -gt [DateTime]$want.EndTime) { continue }
            $record++
            $values = @($e.properties | ForEach-Object { [pscustomobject][ordered]@{ PSTypeName = 'System.Diagnostics.Eventing.Reader.EventProperty'; Value = $_ } })
            if ($e.service) { $values += [pscustomobject][ordered]@{ PSTypeName = 'System.Diagnostics.Eventing.Reader.EventProperty'; Value = [Text.Encoding]::Unicode.GetBytes("$($e.service)`0") } }
            [pscustomobject][ordered]@{
                PSTypeName = 'System.Diagnostics.Eventing.Reader.EventLogRecord'; Message = Get-LabEventSentence $e $os.ui_culture; Id = [int]$e.id; Version = [byte]0; Qualifiers = $null; Level = [byte]$e.level; Task = 0; Opcode = [int16]0; Keywords = [long]-9187343239835811840
                RecordId = [long]$record; ProviderName = $e.provider; ProviderId = $null; LogName = $e.log; ProcessId = 700; ThreadId = 800; MachineName = $os.hostname; UserId = $null; TimeCreated = $at; ActivityId = $null; RelatedActivityId = $null; ContainerLog = $e.log
                MatchedQueryIds = @(); Bookmark = $null; LevelDisplayName = $levels[$e.level]; OpcodeDisplayName = ''; TaskDisplayName = ''; KeywordsDisplayNames = @()
                Properties = $values
            }
        })
    if ($found.Count -eq 0) {
        $sentence = Get-LabSentence @{ 'en-US' = 'No events were found that match the specified selection criteria.'; 'de-DE' = 'Es wurden keine Ereignisse gefunden, die den angegebenen Auswahlkriterien entsprechen.'; 'zh-CN' = '找不到任何与指定的选择条件匹配的事件。' }
        $PSCmdlet.WriteError((New-LabError 'NoMatchingEventsFound,Microsoft.PowerShell.Commands.GetWinEventCommand' $sentence 'System.Exception' 'ObjectNotFound'))
        return
    }
    $found | Select-Object -First ([int][Math]::Min($MaxEvents, [int]::MaxValue))
}
