// The real oidc-provider on loopback, with clients that are set up in different ways. Prints its URL.
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const [callback] = process.argv.slice(2);

// A native client's loopback redirect URI matches with any port (RFC 8252, 7.3).
const client = (client_id, more) => ({
  client_id,
  client_secret: 'secret',
  application_type: 'native',
  redirect_uris: [callback],
  ...more,
});

const configuration = {
  clients: [
    client('source-client'),
    client('pkce'),
    client('par', { require_pushed_authorization_requests: true }),
    client('signed', { require_signed_request_object: true }),
    client('implicit', { response_types: ['id_token'], grant_types: ['implicit'] }),
  ],
  pkce: { required: (_, { clientId }) => clientId === 'pkce' },
  features: {
    jwtResponseModes: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: true },
  },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', new Provider(issuer, configuration).callback());
  console.log(issuer);
});
