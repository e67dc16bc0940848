$category = @{}
foreach ($c in Get-NetConnectionProfile -ErrorAction SilentlyContinue) { $category[[int]$c.InterfaceIndex] = [string]$c.NetworkCategory }
$ip = @{}
foreach ($i in Get-NetIPInterface -AddressFamily IPv4) { $ip[[int]$i.ifIndex] = $i }
$addresses = @{}
foreach ($a in Get-NetIPAddress -AddressFamily IPv4) {
    $index = [int]$a.InterfaceIndex
    if (@($addresses[$index] | Where-Object { $_ -and $_.address -eq [string]$a.IPAddress }).Count) { continue }
    $addresses[$index] = @($addresses[$index] | Where-Object { $_ }) + @(@{ address = [string]$a.IPAddress; prefix_length = [int]$a.PrefixLength; origin = [string]$a.PrefixOrigin })
}
$list = foreach ($a in Get-NetAdapter -IncludeHidden) {
    $index = [int]$a.ifIndex
    # 4294967295 stands for no limit.
    $mtu = [long]$a.MtuSize
    if ($ip[$index] -and $ip[$index].NlMtu) { $mtu = [long]$ip[$index].NlMtu }
    @{
        name = [string]$a.Name; description = [string]$a.InterfaceDescription; index = $index; status = [string]$a.Status; mac = [string]$a.MacAddress; mtu = $mtu
        virtual = [bool]$a.Virtual; hidden = [bool]$a.Hidden; forwarding = ($ip[$index] -and [string]$ip[$index].Forwarding -eq 'Enabled'); category = [string]$category[$index]
        addresses = @($addresses[$index] | Where-Object { $_ })
    }
}
@{ adapters = @($list | Where-Object { $_ }) }
