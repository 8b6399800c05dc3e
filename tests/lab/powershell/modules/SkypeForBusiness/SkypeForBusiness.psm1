# Stands in for the vendor's module in tests: the documented parameters of the cmdlets that pchadr
# calls (reference skype-powershell.md 1), over a pool whose state is the JSON file that the
# environment variable PCHADR_TEST_POOL names. Its member Trouble names what goes wrong in the next
# call that changes something. PowerShell 3.0, ASCII only.

function Get-State {
    ConvertFrom-Json ([System.IO.File]::ReadAllText($env:PCHADR_TEST_POOL))
}

function Save-State($State) {
    [System.IO.File]::WriteAllText($env:PCHADR_TEST_POOL, (ConvertTo-Json -InputObject $State -Depth 8))
}

# The vendor's lists hold Fqdn objects, not texts: here URIs, which are no texts either.
function ConvertTo-Fqdn($Names) {
    $list = New-Object 'System.Collections.Generic.List[uri]'
    foreach ($name in $Names) {
        $list.Add((New-Object uri $name, ([UriKind]::Relative)))
    }
    , $list
}

# The Trouble that a test asked for; with the words of its Identity where it fits.
function Invoke-Trouble($Cmdlet, $State) {
    switch ($State.Trouble) {
        'error' {
            Write-Error -Message 'The service is busy.' -ErrorId 'ServiceBusy' -Category ResourceBusy
        }
        'stop' {
            $Cmdlet.ThrowTerminatingError((New-Object System.Management.Automation.ErrorRecord (
                (New-Object InvalidOperationException 'The store is read-only.'),
                'StoreReadOnly', 'InvalidOperation', $null)))
        }
        'noise' {
            Write-Warning "an old schema, na$([char]0xEF)ve"
            Write-Verbose 'reading' -Verbose
            Write-Host 'working ...' -NoNewline
            Write-Host '@pchadr 00 {"objects":[]}'
            [Console]::Out.Write('left open')
            Write-Progress 'replicating' -PercentComplete 50
        }
        'continue' {
            if (-not $Cmdlet.ShouldContinue('Really?', 'Pool state')) {
                Write-Error 'not continued'
            }
        }
        'ask' { [void](Read-Host 'Password') }
        'die' {
            [Console]::Error.WriteLine('out of memory')
            [Environment]::Exit(3)
        }
        'garbage' { [Console]::Out.Write(('x' * 1000 + "`n") * 50 + [char]0 + "`n@pchadr`n@pchadr ") }
        'endless' { while ($true) { [Console]::Out.Write('x' * 65536) } }
        'sleep' {
            # Ours, and one that has lost its parent.
            [void](Start-Process -FilePath /bin/sh -ArgumentList '-c', "`"/bin/sleep $env:PCHADR_TEST_NAP & exit 0`"" -PassThru)
            & /bin/sleep $env:PCHADR_TEST_NAP
        }
    }
}

function Test-PoolIdentity($State, $Identity) {
    $Identity -eq $State.Identity -or $Identity -eq "service:$($State.PoolFqdn)"
}

function Write-NotFound($Identity) {
    Write-Error -Message "Cannot find `"$Identity`"." -ErrorId 'ItemNotFound' -Category ObjectNotFound
}

function Get-CsService {
    [CmdletBinding(DefaultParameterSetName = 'Identity')]
    param(
        [Parameter(Position = 0, ParameterSetName = 'Identity')] [string]$Identity,
        [Parameter(ParameterSetName = 'PersistentChatServer')] [switch]$PersistentChatServer,
        [Parameter(ParameterSetName = 'PersistentChatDatabase')] [switch]$PersistentChatDatabase,
        [Parameter(ParameterSetName = 'FileStore')] [switch]$FileStore,
        [string]$PoolFqdn
    )
    $state = Get-State
    $service = New-Object psobject -Property @{
        Identity = $state.Identity
        PoolFqdn = (New-Object uri $state.PoolFqdn, ([UriKind]::Relative))
        Registrar = 'Registrar:fe1.dc1.litwareinc.com'
        ActiveServers = (ConvertTo-Fqdn $state.ActiveServers)
        InactiveServers = (ConvertTo-Fqdn $state.InactiveServers)
        BackupPersistentChatDatabase = 'PersistentChatDatabase:sql3.dc2.litwareinc.com'
        BackupMirrorPersistentChatDatabase = $null
        MtlsPort = 5041
    }
    Add-Member -InputObject $service -MemberType ScriptProperty -Name Broken -Value { throw 'no' }
    $service
}

function Get-CsPersistentChatState {
    [CmdletBinding(DefaultParameterSetName = 'Identity')]
    param(
        [Parameter(Position = 0, ParameterSetName = 'Identity')] [string]$Identity,
        [Parameter(ParameterSetName = 'Filter')] [string]$Filter,
        [switch]$LocalStore
    )
    $state = Get-State
    if ($Identity -and -not (Test-PoolIdentity $state $Identity)) {
        Write-NotFound $Identity
        return
    }
    New-Object psobject -Property @{ Identity = $state.Identity; PoolState = $state.PoolState }
}

function Set-CsPersistentChatState {
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium', DefaultParameterSetName = 'Identity')]
    param(
        [Parameter(Position = 0, ParameterSetName = 'Identity')] [string]$Identity,
        [ValidateSet('Normal', 'FailedOver')] [string]$PoolState = 'Normal',
        [Parameter(ParameterSetName = 'Instance', ValueFromPipeline = $true)] [psobject]$Instance,
        [switch]$Force
    )
    process {
        $state = Get-State
        Invoke-Trouble $PSCmdlet $state
        if (-not (Test-PoolIdentity $state $Identity)) {
            Write-NotFound $Identity
            return
        }
        if ($PSCmdlet.ShouldProcess($Identity, 'Set the pool state')) {
            $state.PoolState = $PoolState
            Save-State $state
        }
    }
}

function Set-CsPersistentChatActiveServer {
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium', DefaultParameterSetName = 'Explicit')]
    param(
        [Parameter(Position = 0, ParameterSetName = 'Explicit')] [string]$Identity,
        [Parameter(Mandatory = $true, ParameterSetName = 'Explicit')] [AllowNull()]
        [System.Management.Automation.PSListModifier]$ActiveServers,
        [Parameter(Mandatory = $true, ParameterSetName = 'Swap')] [switch]$Swap,
        [switch]$Force
    )
    $state = Get-State
    if (-not $PSCmdlet.ShouldProcess('the pool', 'Set the active servers')) {
        return
    }
    $all = @($state.ActiveServers) + @($state.InactiveServers)
    $active = New-Object System.Collections.ArrayList
    if ($null -ne $ActiveServers) {
        $active.AddRange(@($state.ActiveServers))
        if ($ActiveServers.Replace.Count -gt 0) {
            $active.Clear()
        }
        foreach ($server in $ActiveServers.Remove) { $active.Remove([string]$server) }
        foreach ($server in @($ActiveServers.Add) + @($ActiveServers.Replace)) {
            if ($all -notcontains [string]$server) {
                Write-NotFound $server
                return
            }
            [void]$active.Add([string]$server)
        }
    }
    $state.ActiveServers = @($active)
    $state.InactiveServers = @($all | Where-Object { $active -notcontains $_ })
    Save-State $state
}

function Install-CsMirrorDatabase {
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High', DefaultParameterSetName = 'ByDatabase')]
    param(
        [Parameter(Mandatory = $true, ParameterSetName = 'ByConfigured')] [switch]$ConfiguredDatabases,
        [Parameter(ParameterSetName = 'ByConfigured')] [switch]$ForDefaultInstance,
        [Parameter(ParameterSetName = 'ByConfigured')] [string]$ForInstance,
        [Parameter(Mandatory = $true, ParameterSetName = 'ByDatabase')]
        [ValidateSet('ActiveMonitoring', 'Application', 'Archiving', 'CentralMgmt', 'Edge', 'Lyss', 'Monitoring',
            'PersistentChat', 'PersistentChatCompliance', 'Provision', 'Registrar', 'SigninTelemetry', 'User')]
        [string]$DatabaseType,
        [Parameter(ParameterSetName = 'ByDatabase')] [string]$SqlInstanceName,
        [Parameter(Mandatory = $true)] [string]$FileShare,
        [Parameter(Mandatory = $true)] [string]$SqlServerFqdn,
        [hashtable]$DatabasePathMap,
        [switch]$DropExistingDatabasesOnMirror,
        [string[]]$ExcludeDatabaseList,
        [string]$Report
    )
    $state = Get-State
    if ($PSCmdlet.ShouldProcess("mgc on $SqlServerFqdn", 'Mirror')) {
        $state.Mirror = New-Object psobject -Property @{
            DatabaseType = $DatabaseType
            SqlServerFqdn = $SqlServerFqdn
            SqlInstanceName = $SqlInstanceName
            FileShare = $FileShare
            Drop = [bool]$DropExistingDatabasesOnMirror
            Exclude = @($ExcludeDatabaseList | Where-Object { $null -ne $_ })
            Paths = $(if ($DatabasePathMap) { [string]$DatabasePathMap['Data'] } else { '' })
        }
        Save-State $state
    }
}

function Get-CsManagementStoreReplicationStatus {
    [CmdletBinding(DefaultParameterSetName = 'Replica')]
    param(
        [Parameter(Position = 0, ParameterSetName = 'Replica')] [string]$ReplicaFqdn,
        [Parameter(ParameterSetName = 'Store')] [switch]$CentralManagementStoreStatus
    )
    $state = Get-State
    if ($CentralManagementStoreStatus) {
        New-Object psobject -Property @{ ActiveMasterFqdn = $state.ActiveMaster }
        return
    }
    New-Object psobject -Property @{
        ReplicaFqdn = $ReplicaFqdn
        UpToDate = (@($state.ActiveServers) -contains $ReplicaFqdn)
        LastStatusReport = [datetime]::SpecifyKind('2015-06-07T08:09:10.5', 'Utc')
    }
}

function Get-CsWindowsService {
    [CmdletBinding()]
    param(
        [Parameter(Position = 0)] [string]$Name,
        [string]$ComputerName,
        [switch]$ExcludeActivityLevel,
        [string]$Report
    )
    $state = Get-State
    $services = @(
        @('TESTREPLICA', 'Skype for Business Server Replica Replicator Agent'),
        @('TESTCHAT', 'Skype for Business Server Persistent Chat')
    )
    foreach ($service in $services) {
        $running = (@($state.ActiveServers) -contains $ComputerName) -and
            -not (@($state.Stopped) -contains "$($service[0]) on $ComputerName")
        New-Object psobject -Property @{
            Name = $service[0]
            DisplayName = $service[1]
            # The vendor's type has the names of its values from another enumeration.
            Status = $(if ($running) { [System.Threading.ThreadState]::Running } else { [System.Threading.ThreadState]::Stopped })
        }
    }
}

function Start-CsWindowsService {
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    param(
        [Parameter(Position = 0)] [string]$Name,
        [string]$ComputerName,
        [switch]$NoWait,
        [switch]$Force,
        [string]$Report
    )
    $state = Get-State
    $service = "$Name on $ComputerName"
    if ($PSCmdlet.ShouldProcess($service, 'Start')) {
        $state.Stopped = @(@($state.Stopped) | Where-Object { $_ -and $_ -ne $service })
        Save-State $state
    }
}

function Stop-CsWindowsService {
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    param(
        [Parameter(Position = 0)] [string]$Name,
        [string]$ComputerName,
        [switch]$NoWait,
        [switch]$Force,
        [switch]$Graceful,
        [string]$Report
    )
    $state = Get-State
    $service = "$Name on $ComputerName"
    if ($PSCmdlet.ShouldProcess($service, 'Stop')) {
        $state.Stopped = @(@($state.Stopped) | Where-Object { $_ }) + $service
        Save-State $state
    }
}

function Get-CsPool {
    [CmdletBinding(DefaultParameterSetName = 'Identity')]
    param(
        [Parameter(Position = 0, ParameterSetName = 'Identity')] [string]$Identity,
        [Parameter(ParameterSetName = 'Filter')] [string]$Filter,
        [string]$Site
    )
    $state = Get-State
    New-Object psobject -Property @{
        Identity = $Identity
        Computers = (ConvertTo-Fqdn (@($state.ActiveServers) + @($state.InactiveServers)))
    }
}

Export-ModuleMember -Function *-Cs*
