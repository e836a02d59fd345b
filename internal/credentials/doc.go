// Package credentials owns whom we trust and as whom we call: per account, the
// signing keys of its webhooks and the credentials for Twilio's API, from the
// environment or from a file that is re-read when it changes. It decides nothing about a
// webhook or a call.
//
// The file is JSON, for one account or many:
//
//	{
//	  "accounts": [
//	    {
//	      "account_sid": "AC00000000000000000000000000000001",
//	      "auth_token": "the-primary-auth-token",
//	      "signing_keys": ["the-secondary-auth-token", "a-shared-key"],
//	      "api_key": "SK00000000000000000000000000000001",
//	      "api_secret": "the-secret-of-the-API-key"
//	    },
//	    {
//	      "account_sid": "AC00000000000000000000000000000002",
//	      "auth_token": "the-auth-token-of-a-subaccount"
//	    }
//	  ]
//	}
//
// Webhooks of an account may be signed with its auth token or with any of its signing keys.
// The API is called with the API key, or else with the account SID and the auth
// token. An account needs one of all these: a process that only receives webhooks can be
// given a file of signing keys, one that only calls the API a file of API keys.
// A field that is not listed here or is given twice is an error, and so is a secret with white space, quotes or anything
// but visible ASCII characters in it, or with more than 256 of them.
// The file should be readable by its owner alone.
package credentials
