SELECT thumbprint
FROM master.sys.certificates
