$leases = @{}
if (Test-Path -LiteralPath 'C:\var\lib\cni\networks' -PathType Container) {
    foreach ($network in Get-ChildItem -LiteralPath 'C:\var\lib\cni\networks' -Directory) {
        $leases[[string]$network.Name] = @(Get-ChildItem -LiteralPath $network.FullName -File | Where-Object { $_.Name -match '^\d+\.\d+\.\d+\.\d+$' } | ForEach-Object { [string]$_.Name })
    }
}
@{ leases = $leases }
