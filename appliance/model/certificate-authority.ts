/** The appliance's own CA, as those who hand out certificates see it. Certificates and requests are PEM. */
export interface CertificateAuthority {
  readonly caPem: string
  /** A client certificate for a node's key; valid until `notAfter`. The subject's CN is the node name, whatever the request says. */
  signNode(csrPem: string, node: string, notAfter: Date): Promise<string>
}
