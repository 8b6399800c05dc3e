# Calls Skype cmdlets for pchadr. One JSON request a line comes in on standard input, one framed JSON
# answer goes out for each; src/access/powershell.rs describes both.
#
# PowerShell 3.0, ASCII only. No value of a request becomes code: values are bound as parameters, and
# only the cmdlets below can be called. The automatic variable for pipeline input must not be named
# anywhere in here: powershell.exe would then read standard input itself.

$cmdlets = @(
    'Get-CsManagementConnection'
    'Get-CsManagementStoreReplicationStatus'
    'Get-CsPersistentChatState'
    'Get-CsPool'
    'Get-CsService'
    'Get-CsWindowsService'
    'Install-CsMirrorDatabase'
    'Invoke-CsDatabaseFailover'
    'Set-CsPersistentChatActiveServer'
    'Set-CsPersistentChatState'
    'Start-CsWindowsService'
    'Stop-CsWindowsService'
)

# Global: the functions of a module see these, and nothing of this script's own scope.
$global:ErrorActionPreference = 'Continue'
$global:WarningPreference = 'Continue'
$global:VerbosePreference = 'SilentlyContinue'
$global:DebugPreference = 'SilentlyContinue'
$global:ProgressPreference = 'SilentlyContinue'
$global:ConfirmPreference = 'None'

# Kept from here on: a module may put others in their place.
$requests = [Console]::In
$answers = [Console]::Out

# A JSON text in ASCII. Half a surrogate pair is no text anywhere else: it becomes U+FFFD.
function ConvertTo-Quoted([string]$Text) {
    $half = '[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]'
    $whole = [regex]::Replace($Text, $half, [string][char]0xFFFD)
    $plain = [regex]::Replace($whole, '[^ !#-\[\]-~]', {
        param($character)
        '\u{0:x4}' -f [int][char]$character.Value
    })
    '"' + $plain + '"'
}

# One value as text: an enumeration by its name, True and False, a time as ISO 8601.
function ConvertTo-Text($Value) {
    if ($Value -is [datetime] -or $Value -is [DateTimeOffset]) {
        return $Value.ToString('o', [System.Globalization.CultureInfo]::InvariantCulture)
    }
    [string]$Value
}

# The value of a property: null, a text, or a list of texts.
function ConvertTo-Property($Value) {
    if ($null -eq $Value) {
        return 'null'
    }
    if ($Value -is [string] -or $Value -isnot [System.Collections.IEnumerable]) {
        return ConvertTo-Quoted (ConvertTo-Text $Value)
    }
    $texts = @(foreach ($item in $Value) {
        if ($null -ne $item) {
            ConvertTo-Quoted (ConvertTo-Text $item)
        }
    })
    '[' + ($texts -join ',') + ']'
}

# An object that a cmdlet returned: of the asked properties those that it has and that can be read.
function ConvertTo-Answer($Object, $Names) {
    $fields = @(foreach ($name in $Names) {
        $property = $Object.PSObject.Properties[$name]
        if ($null -ne $property) {
            # The method, since PowerShell reads a property whose getter throws as null: that would be
            # an empty list to whoever asked, where it is not known.
            try {
                $value = $property.get_Value()
                (ConvertTo-Quoted $name) + ':' + (ConvertTo-Property $value)
            } catch {
            }
        }
    })
    '{' + ($fields -join ',') + '}'
}

function ConvertTo-Failure([string]$Message, [string]$Id, [string]$Category) {
    '{"message":' + (ConvertTo-Quoted $Message) + ',"id":' + (ConvertTo-Quoted $Id) +
        ',"category":' + (ConvertTo-Quoted $Category) + '}'
}

# What ConvertFrom-Json made of a parameter, as a cmdlet takes it: an object becomes a hashtable.
function ConvertTo-Argument($Value) {
    if ($Value -is [System.Management.Automation.PSCustomObject]) {
        $table = @{}
        foreach ($entry in $Value.PSObject.Properties) {
            $table[$entry.Name] = ConvertTo-Argument $entry.Value
        }
        return $table
    }
    if ($Value -is [array]) {
        $list = @(foreach ($item in $Value) { ConvertTo-Argument $item })
        return , $list
    }
    $Value
}

$imported = $false
while ($true) {
    $line = $requests.ReadLine()
    if ($null -eq $line) {
        exit 0
    }
    try {
        $request = ConvertFrom-Json -InputObject $line -ErrorAction Stop
    } catch {
        $request = $null
    }
    $nonce = [string]$request.nonce
    if ($nonce -notmatch '^[0-9A-Za-z]+$') {
        [Console]::Error.WriteLine('a line on standard input is no request')
        exit 1
    }

    # All streams of the cmdlet in the order in which they came: objects, errors, warnings, and what
    # is only for people.
    $records = New-Object System.Collections.ArrayList
    $errors = New-Object System.Collections.ArrayList
    try {
        if ($request.import) {
            Import-Module -Name ([string]$request.import) -Global -DisableNameChecking *>&1 |
                ForEach-Object { [void]$records.Add($_) }
        } elseif ($cmdlets -notcontains [string]$request.cmdlet) {
            $message = "'" + $request.cmdlet + "' is not one of the cmdlets that pchadr calls."
            [void]$errors.Add((ConvertTo-Failure $message 'CmdletNotAllowed,pchadr' 'PermissionDenied'))
        } elseif (-not $imported) {
            $message = 'No module was imported.'
            [void]$errors.Add((ConvertTo-Failure $message 'NoModule,pchadr' 'InvalidOperation'))
        } else {
            $parameters = @{}
            if ($null -ne $request.parameters) {
                $parameters = ConvertTo-Argument $request.parameters
            }
            & ([string]$request.cmdlet) @parameters *>&1 |
                ForEach-Object { [void]$records.Add($_) }
        }
    } catch {
        [void]$records.Add($_)
    }

    $objects = New-Object System.Collections.ArrayList
    $warnings = New-Object System.Collections.ArrayList
    foreach ($record in $records) {
        if ($null -eq $record) {
            continue
        }
        if ($record -is [System.Management.Automation.ErrorRecord]) {
            $message = [string]$record
            $id = [string]$record.FullyQualifiedErrorId
            if ($request.import -and $id -like 'Modules_ModuleNotFound*') {
                $message += ' Install the administrative tools of Skype for Business Server 2015 (module' +
                    ' SkypeForBusiness) or Lync Server 2013 (module Lync) on this machine, or run on a server that has them.'
            }
            $category = [string]$record.CategoryInfo.Category
            [void]$errors.Add((ConvertTo-Failure $message $id $category))
        } elseif ($record -is [System.Management.Automation.WarningRecord]) {
            [void]$warnings.Add((ConvertTo-Quoted $record.Message))
        } elseif ($record -isnot [System.Management.Automation.VerboseRecord] -and
            $record -isnot [System.Management.Automation.DebugRecord] -and
            # By name: PowerShell 3.0 and 4.0 have no such type.
            $record.GetType().FullName -ne 'System.Management.Automation.InformationRecord' -and
            -not $request.import) {
            [void]$objects.Add((ConvertTo-Answer $record $request.properties))
        }
    }
    if ($request.import) {
        $imported = $errors.Count -eq 0
    }
    $json = '{"objects":[' + ($objects -join ',') + '],"errors":[' + ($errors -join ',') +
        '],"warnings":[' + ($warnings -join ',') + ']}'
    # The new line first: a cmdlet may have left a line of the host's open.
    $answers.Write("`n@pchadr " + $nonce + ' ' + $json + "`n")
    $answers.Flush()
}
