SELECT thumbprint
FROM master.sys.certificates
WHERE pvt_key_encryption_type <> 'NA'
