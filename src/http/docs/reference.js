'use strict';

SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#reference',
  layout: 'BaseLayout',
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  filter: true,
  validatorUrl: null,
});
