@{ routes = @(Get-NetRoute -AddressFamily IPv4 | ForEach-Object { @{ prefix = [string]$_.DestinationPrefix; next_hop = [string]$_.NextHop; index = [int]$_.ifIndex; metric = [int]$_.RouteMetric } }) }
