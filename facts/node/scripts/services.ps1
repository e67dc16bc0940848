# Services by name, what nssm and the registry keep of them, and the drivers of the virtual switch.
$names = 'hns', 'vmcompute', 'containerd', 'docker', 'cri-dockerd', 'cri-docker', 'kubelet', 'kube-proxy', 'kubeproxy', 'flanneld', 'CalicoNode', 'CalicoFelix', 'rke2', 'csiproxy', 'W32Time', 'BFE', 'mpssvc', 'Dnscache', 'nvagent', 'SharedAccess', 'vmms', 'RemoteAccess', 'WinRM', 'sshd', 'rancher-wins'
$drivers = 'vfpext', 'vmsmp', 'vmswitch', 'HvHost', 'wcifs', 'cimfs'
$list = foreach ($s in Get-CimInstance -ClassName Win32_Service -Filter (@($names | ForEach-Object { "Name='$_'" }) -join ' OR ')) {
    $key = Read-Registry "HKLM:\SYSTEM\CurrentControlSet\Services\$($s.Name)"
    $needs = @()
    if ($key -and $key.DependOnService) { $needs = @($key.DependOnService | ForEach-Object { [string]$_ }) }
    @{
        name = [string]$s.Name; state = [string]$s.State; start_mode = [string]$s.StartMode; path = (Hide-Secrets ([string]$s.PathName)); account = [string]$s.StartName
        pid = [int]$s.ProcessId; exit_code = [long]$s.ExitCode; service_exit_code = [long]$s.ServiceSpecificExitCode; depends_on = $needs; nssm = (Read-Nssm $s.Name)
    }
}
$states = @{}
foreach ($d in Get-CimInstance -ClassName Win32_SystemDriver -Filter (@($drivers | ForEach-Object { "Name='$_'" }) -join ' OR ')) { $states[[string]$d.Name] = [string]$d.State }
@{ services = @($list | Where-Object { $_ }); drivers = $states }
