# Processes of Kubernetes, runtime and CNI. CommandLine is empty without elevation.
function Format-Process($q) {
    @{
        name = [string]$q.Name; pid = [int]$q.ProcessId; parent = [int]$q.ParentProcessId; command_line = (Hide-Secrets ([string]$q.CommandLine)); created = (Format-Utc $q.CreationDate)
        working_set = [long]$q.WorkingSetSize; threads = [int]$q.ThreadCount; handles = [int]$q.HandleCount; session = [int]$q.SessionId
    }
}
$filter = "Name LIKE 'kube%' OR Name LIKE 'flannel%' OR Name LIKE 'containerd%' OR Name='dockerd.exe' OR Name LIKE 'calico%' OR Name='rke2.exe' OR Name='cri-dockerd.exe' OR Name='vmcompute.exe' OR Name='nssm.exe'"
$list = @(Get-CimInstance -ClassName Win32_Process -Filter $filter | ForEach-Object { Format-Process $_ })
$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='hns'" | Select-Object -First 1
$hns = $null
$shared = $false
if ($service -and $service.ProcessId -gt 0) {
    $id = [int]$service.ProcessId
    foreach ($q in Get-CimInstance -ClassName Win32_Process -Filter "ProcessId=$id") { $hns = Format-Process $q }
    $shared = @(Get-CimInstance -ClassName Win32_Service -Filter "ProcessId=$id").Count -gt 1
}
@{ processes = $list; container_sessions = @(Get-ContainerSession); hns = $hns; hns_shared = $shared }
