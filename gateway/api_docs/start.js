"use strict";

// Nothing is asked of any other host: the contract is our own, and no validator is called.
window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#contract",
  deepLinking: true,
  validatorUrl: null,
});
